use std::fmt;

use percent_encoding::percent_decode_str;

use super::arm_id::encode;
use super::text::is_azure_name;

/// The ARM id of a user-assigned managed identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedIdentityId {
    pub subscription: String,
    pub resource_group: String,
    pub name: String,
}

impl ManagedIdentityId {
    /// Parses an ARM id. The case of its fixed segments does not matter: Azure
    /// writes `resourcegroups`.
    pub fn parse(id: &str) -> Option<Self> {
        let mut segments = id.trim().strip_prefix('/')?.split('/');
        let mut after = |words: &[&str]| {
            let mut is_next = |word: &&str| {
                let segment = segments.next();
                segment.is_some_and(|segment| segment.eq_ignore_ascii_case(word))
            };
            words.iter().all(&mut is_next).then_some(())?;
            let name = percent_decode_str(segments.next()?).decode_utf8().ok()?;
            is_azure_name(&name).then(|| name.into_owned())
        };
        let id = Self {
            subscription: after(&["subscriptions"])?,
            resource_group: after(&["resourceGroups"])?,
            name: after(&["providers", "Microsoft.ManagedIdentity", "userAssignedIdentities"])?,
        };
        segments.next().is_none().then_some(id)
    }

    /// The ARM path, with every name percent-encoded.
    pub fn path(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{}",
            encode(&self.subscription),
            encode(&self.resource_group),
            encode(&self.name)
        )
    }
}

impl fmt::Display for ManagedIdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str =
        "/subscriptions/s/resourcegroups/Rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/gw-1";

    #[test]
    fn an_id_is_parsed_in_the_spelling_of_the_provider() {
        let id = ManagedIdentityId::parse(ID).unwrap();
        assert_eq!(id.path(), ID.replace("resourcegroups", "resourceGroups"));
    }

    #[test]
    fn other_names_are_not_ids() {
        for name in [
            "",
            "isExplicit=True",
            "/subscriptions/s",
            &format!("{ID}/federatedIdentityCredentials/x"),
            &ID.replace("gw-1", ""),
            &ID.replace("ManagedIdentity", "ApiManagement"),
            &ID.replace("gw-1", "a%1bb"),
        ] {
            assert_eq!(ManagedIdentityId::parse(name), None, "{name}");
        }
    }
}
