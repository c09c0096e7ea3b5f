use percent_encoding::percent_decode_str;

use super::CloudName;

/// What a gateway's configuration endpoint (`config.service.endpoint`) says
/// about its instance. Published deployments spell it in many ways: the v2
/// host with or without a scheme, the v1 management address with the whole ARM
/// path, either host alone, the gateway's own host followed by the ARM path,
/// and several of these glued together. What is named is evidence; what is not
/// is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The API Management instance.
    pub service: Option<String>,
    /// The subscription, which only an ARM path names.
    pub subscription: Option<String>,
    /// The resource group, which only an ARM path names.
    pub resource_group: Option<String>,
    /// The gateway, which only some ARM paths name.
    pub gateway: Option<String>,
    /// The cloud, by the host's domain; `None` for a host of one's own.
    pub cloud: Option<CloudName>,
}

/// The endpoint contradicts itself.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it names {what} twice, as `{first}` and as `{second}`")]
pub struct EndpointError {
    what: &'static str,
    first: String,
    second: String,
}

impl Endpoint {
    /// Reads every clue in the text. A text without any is no error: an
    /// instance may have a host name of its own.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let mut endpoint = Self::default();
        endpoint.read_hosts(text)?;
        endpoint.read_path(text)?;
        Ok(endpoint)
    }

    fn read_hosts(&mut self, text: &str) -> Result<(), EndpointError> {
        let lower = text.to_ascii_lowercase();
        for cloud in CloudName::ALL {
            let mut from = 0;
            while let Some(found) = lower[from..].find(cloud.suffix()) {
                let at = from + found;
                let host_character = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
                // A host glued to the end of another begins where that one ends.
                let length = lower.as_bytes()[from..at]
                    .iter()
                    .rev()
                    .take_while(|byte| host_character(byte))
                    .count();
                let host = &text[at - length..at];
                from = at + cloud.suffix().len();
                let Some(labels) = host.strip_suffix('.') else {
                    continue;
                };
                let service = labels.split('.').next().unwrap_or(labels);
                settle(&mut self.service, service, "the instance")?;
                if let Some(first) = self.cloud.filter(|first| *first != cloud) {
                    return Err(EndpointError {
                        what: "the cloud",
                        first: first.suffix().to_owned(),
                        second: cloud.suffix().to_owned(),
                    });
                }
                self.cloud = Some(cloud);
            }
        }
        Ok(())
    }

    fn read_path(&mut self, text: &str) -> Result<(), EndpointError> {
        let Some(at) = text.to_ascii_lowercase().find("/subscriptions/") else {
            return Ok(());
        };
        let path = text[at + 1..].split(['?', '#']).next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').map(str::trim).collect();
        // Every second segment names what the one after it is; only
        // `providers` is followed by a namespace instead.
        let named = |word: &str| {
            let at = segments
                .iter()
                .position(|segment| segment.eq_ignore_ascii_case(word))?;
            let value = percent_decode_str(segments.get(at + 1)?).decode_utf8().ok()?;
            (!value.is_empty()).then(|| value.into_owned())
        };
        for (field, word, what) in [
            (&mut self.subscription, "subscriptions", "the subscription"),
            (&mut self.resource_group, "resourceGroups", "the resource group"),
            (&mut self.service, "service", "the instance"),
            (&mut self.gateway, "gateways", "the gateway"),
        ] {
            if let Some(value) = named(word) {
                settle(field, &value, what)?;
            }
        }
        Ok(())
    }
}

/// Sets what is not known yet and compares what is, without regard to case.
fn settle(field: &mut Option<String>, value: &str, what: &'static str) -> Result<(), EndpointError> {
    match field {
        Some(first) if !first.eq_ignore_ascii_case(value) => Err(EndpointError {
            what,
            first: first.clone(),
            second: value.to_owned(),
        }),
        Some(_) => Ok(()),
        None => {
            *field = Some(value.to_owned());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATH: &str = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc";

    fn parse(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap()
    }

    #[test]
    fn hosts_alone_name_the_instance_and_the_cloud() {
        for text in [
            "https://svc.configuration.azure-api.net",
            "https://svc.configuration.azure-api.net/",
            "svc.configuration.azure-api.net",
            "SVC.Configuration.Azure-API.net",
            "svc.management.azure-api.net",
            "https://svc.azure-api.net:443",
        ] {
            let endpoint = parse(text);
            assert!(
                endpoint.service.as_deref().unwrap().eq_ignore_ascii_case("svc"),
                "{text}"
            );
            assert_eq!(endpoint.cloud, Some(CloudName::Public), "{text}");
            assert_eq!(endpoint.subscription, None, "{text}");
        }
        assert_eq!(
            parse("svc.configuration.azure-api.cn").cloud,
            Some(CloudName::China)
        );
        assert_eq!(
            parse("https://svc.configuration.azure-api.us").cloud,
            Some(CloudName::UsGov)
        );
    }

    #[test]
    fn a_management_path_names_everything() {
        for text in [
            format!("https://svc.management.azure-api.net{PATH}?api-version=2019-12-01"),
            format!("https://svc.management.azure-api.net{}", PATH.to_lowercase()),
            format!("svc.configuration.azure-api.net{PATH}/"),
            format!("https://svc.azure-api.net{PATH}"),
            format!("https://svc.configuration.azure-api.nethttps://svc.management.azure-api.net{PATH}"),
            format!("svc.configuration.azure-api.netsvc.management.azure-api.net{PATH}"),
        ] {
            let endpoint = parse(&text);
            assert_eq!(endpoint.service.as_deref(), Some("svc"), "{text}");
            assert_eq!(endpoint.subscription.as_deref(), Some("sub"), "{text}");
            assert_eq!(endpoint.resource_group.as_deref(), Some("rg"), "{text}");
            assert_eq!(endpoint.gateway, None, "{text}");
        }
        let whole = parse(&format!(
            "https://svc.management.azure-api.net{PATH}/gateways/gw%201?api-version=1"
        ));
        assert_eq!(whole.gateway.as_deref(), Some("gw 1"));
    }

    #[test]
    fn a_host_of_ones_own_names_nothing() {
        assert_eq!(parse("https://config.contoso.com"), Endpoint::default());
        assert_eq!(parse("azure-api.net"), Endpoint::default());
        assert_eq!(parse(""), Endpoint::default());
    }

    #[test]
    fn a_contradiction_is_an_error() {
        let error = Endpoint::parse(&format!("https://other.management.azure-api.net{PATH}")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it names the instance twice, as `other` and as `svc`"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = Endpoint::parse(&text);
        }

        #[test]
        fn the_service_is_found_in_any_spelling(
            service in "[a-z][a-z0-9-]{0,20}[a-z0-9]",
            scheme in prop::sample::select(vec!["", "https://", "http://"]),
            part in prop::sample::select(vec!["", ".configuration", ".management"]),
        ) {
            let text = format!("{scheme}{service}{part}.azure-api.net");
            prop_assert_eq!(parse(&text).service, Some(service));
        }
    }
}
