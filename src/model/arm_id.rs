use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Serialize, Serializer};

use super::text::{cleaned, is_azure_name};

/// A path segment keeps the unreserved characters of RFC 3986 and encodes all
/// others.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The ARM id of an API Management instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceId {
    /// The subscription's GUID.
    pub subscription: String,
    pub resource_group: String,
    /// Unique in its cloud.
    pub name: String,
}

impl ServiceId {
    /// The ARM path, with every name percent-encoded.
    pub fn path(&self) -> String {
        format!(
            "{}/providers/Microsoft.ApiManagement/service/{}",
            self.group_path(),
            encode(&self.name)
        )
    }

    /// The ARM path of its resource group.
    pub fn group_path(&self) -> String {
        format!(
            "{}/resourceGroups/{}",
            self.subscription_path(),
            encode(&self.resource_group)
        )
    }

    /// The ARM path of its subscription.
    pub fn subscription_path(&self) -> String {
        format!("/subscriptions/{}", encode(&self.subscription))
    }

    /// The id of the gateway `name` of this instance.
    pub fn gateway(&self, name: impl Into<String>) -> GatewayId {
        GatewayId {
            service: self.clone(),
            name: name.into(),
        }
    }

    /// Compares as ARM does, ignoring case.
    pub fn same_as(&self, other: &Self) -> bool {
        self.subscription.eq_ignore_ascii_case(&other.subscription)
            && self.resource_group.eq_ignore_ascii_case(&other.resource_group)
            && self.name.eq_ignore_ascii_case(&other.name)
    }
}

/// The ARM id of a gateway: `.../service/{svc}/gateways/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayId {
    pub service: ServiceId,
    /// The gateway's id within the instance. Its tokens start with this id.
    pub name: String,
}

impl GatewayId {
    /// The ARM path, with every name percent-encoded: API Management accepts
    /// any character in the name of a gateway.
    pub fn path(&self) -> String {
        format!("{}/gateways/{}", self.service.path(), encode(&self.name))
    }

    /// Parses an ARM id; the case of its fixed segments does not matter.
    pub fn parse(id: &str) -> Result<Self, ArmIdError> {
        let malformed = || ArmIdError { id: cleaned(id) };
        let mut segments = id.trim().trim_matches('/').split('/');
        let mut after = |words: &[&str]| {
            let mut is_next = |word: &&str| {
                let segment = segments.next();
                segment.is_some_and(|segment| segment.eq_ignore_ascii_case(word))
            };
            if !words.iter().all(&mut is_next) {
                return Err(malformed());
            }
            let name = segments.next().unwrap_or_default();
            let name = percent_decode_str(name).decode_utf8().map_err(|_| malformed())?;
            if is_azure_name(&name) {
                Ok(name.into_owned())
            } else {
                Err(malformed())
            }
        };
        let service = ServiceId {
            subscription: after(&["subscriptions"])?,
            resource_group: after(&["resourceGroups"])?,
            name: after(&["providers", "Microsoft.ApiManagement", "service"])?,
        };
        let gateway = service.gateway(after(&["gateways"])?);
        match segments.next() {
            None => Ok(gateway),
            Some(_) => Err(malformed()),
        }
    }

    /// Compares as ARM does, ignoring case.
    pub fn same_as(&self, other: &Self) -> bool {
        self.service.same_as(&other.service) && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl Serialize for GatewayId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is not the ARM id of a gateway.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{id}` is not the ARM id of a gateway (/subscriptions/../resourceGroups/../providers/Microsoft.ApiManagement/service/../gateways/..)"
)]
pub struct ArmIdError {
    id: String,
}

pub(super) fn encode(segment: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(segment, SEGMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str =
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw";

    #[test]
    fn parsing_and_printing_keep_the_id() {
        assert_eq!(GatewayId::parse(ID).unwrap().to_string(), ID);
    }

    #[test]
    fn case_does_not_matter() {
        let upper_case = GatewayId::parse(&ID.to_uppercase()).unwrap();
        assert!(upper_case.same_as(&GatewayId::parse(ID).unwrap()));
    }

    #[test]
    fn a_name_with_reserved_characters_stays_one_segment() {
        let gateway = GatewayId::parse(ID).unwrap().service.gateway("a/b c?");
        assert!(gateway.path().ends_with("/gateways/a%2Fb%20c%3F"));
        assert_eq!(GatewayId::parse(&gateway.path()).unwrap(), gateway);
    }

    #[test]
    fn ids_of_other_resources_are_refused() {
        for id in [
            "",
            "/",
            "/subscriptions/s",
            &ID.replace("gateways", "apis"),
            &format!("{ID}/more"),
        ] {
            assert!(GatewayId::parse(id).is_err(), "{id}");
        }
    }
}
