use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Serialize, Serializer};

/// What RFC 3986 leaves unreserved may stand in a path segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An API Management instance in ARM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceId {
    /// The subscription's GUID.
    pub subscription: String,
    /// The resource group.
    pub resource_group: String,
    /// The instance's name, which is unique in its cloud.
    pub name: String,
}

impl ServiceId {
    /// The ARM path, every segment percent-encoded.
    pub fn path(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ApiManagement/service/{}",
            encode(&self.subscription),
            encode(&self.resource_group),
            encode(&self.name)
        )
    }

    /// The gateway `name` of this instance.
    pub fn gateway(&self, name: impl Into<String>) -> GatewayId {
        GatewayId {
            service: self.clone(),
            name: name.into(),
        }
    }

    /// ARM compares names without regard to case.
    pub fn same_as(&self, other: &Self) -> bool {
        self.subscription.eq_ignore_ascii_case(&other.subscription)
            && self.resource_group.eq_ignore_ascii_case(&other.resource_group)
            && self.name.eq_ignore_ascii_case(&other.name)
    }
}

/// A gateway: the ARM resource `.../service/{svc}/gateways/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayId {
    /// The instance that it belongs to.
    pub service: ServiceId,
    /// Its id in that instance, which its tokens begin with.
    pub name: String,
}

impl GatewayId {
    /// The ARM path, every segment percent-encoded: a gateway's name has no
    /// pattern that forbids anything.
    pub fn path(&self) -> String {
        format!("{}/gateways/{}", self.service.path(), encode(&self.name))
    }

    /// Parses an ARM id, whatever the case of its fixed words.
    pub fn parse(id: &str) -> Result<Self, ArmIdError> {
        let malformed = || ArmIdError { id: id.to_owned() };
        let segments: Vec<&str> = id.trim().trim_matches('/').split('/').collect();
        let fixed = [
            (0, "subscriptions"),
            (2, "resourceGroups"),
            (4, "providers"),
            (5, "Microsoft.ApiManagement"),
            (6, "service"),
            (8, "gateways"),
        ];
        let well_formed = segments.len() == 10
            && segments.iter().all(|segment| !segment.is_empty())
            && fixed
                .iter()
                .all(|&(at, word)| segments[at].eq_ignore_ascii_case(word));
        if !well_formed {
            return Err(malformed());
        }
        let segment = |at: usize| {
            percent_decode_str(segments[at])
                .decode_utf8()
                .map(String::from)
                .map_err(|_| malformed())
        };
        let service = ServiceId {
            subscription: segment(1)?,
            resource_group: segment(3)?,
            name: segment(7)?,
        };
        Ok(service.gateway(segment(9)?))
    }

    /// ARM compares names without regard to case.
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
    "`{id}` is no ARM id of a gateway (/subscriptions/../resourceGroups/../providers/Microsoft.ApiManagement/service/../gateways/..)"
)]
pub struct ArmIdError {
    id: String,
}

fn encode(segment: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(segment, SEGMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str =
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw";

    #[test]
    fn an_id_survives_parsing_and_printing() {
        assert_eq!(GatewayId::parse(ID).unwrap().to_string(), ID);
    }

    #[test]
    fn case_of_the_fixed_words_is_free_and_names_compare_without_case() {
        let shouted = GatewayId::parse(&ID.to_uppercase()).unwrap();
        assert!(shouted.same_as(&GatewayId::parse(ID).unwrap()));
    }

    #[test]
    fn a_name_with_reserved_characters_stays_one_segment() {
        let gateway = GatewayId::parse(ID).unwrap().service.gateway("a/b c?");
        assert!(gateway.path().ends_with("/gateways/a%2Fb%20c%3F"));
        assert_eq!(GatewayId::parse(&gateway.path()).unwrap(), gateway);
    }

    #[test]
    fn other_ids_are_refused() {
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
