use percent_encoding::percent_decode_str;

use super::CloudName;
use super::text::{cleaned, is_azure_name};

/// The parts of a gateway's configuration endpoint
/// (`config.service.endpoint`) that identify its instance. Published
/// deployments use many forms: the v2 host with or without a scheme, the v1
/// management address with the whole ARM path, either host alone, the
/// gateway's own host followed by the ARM path, and several of these
/// concatenated. A part that the endpoint does not contain is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The name of the API Management instance.
    pub service: Option<String>,
    /// Only in an ARM path.
    pub subscription: Option<String>,
    /// Only in an ARM path.
    pub resource_group: Option<String>,
    /// Only in some ARM paths.
    pub gateway: Option<String>,
    /// The cloud of the host's domain; `None` for a custom domain.
    pub cloud: Option<CloudName>,
}

/// Why an endpoint identifies no gateway.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It contains two different values for one part.
    #[error("it contains two names of {what}, `{first}` and `{second}`")]
    TwoNames {
        what: &'static str,
        first: String,
        second: String,
    },
    /// What stands before a domain of Azure is not a host.
    #[error("`{0}` is not a host")]
    NotAHost(String),
    /// A part is too long or not printable.
    #[error("it contains a name of {what} that Azure does not allow, `{name}`")]
    NotAName { what: &'static str, name: String },
}

impl Endpoint {
    /// Collects every part that the text contains. None at all is not an
    /// error: an instance may have a custom domain.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let mut endpoint = Self::default();
        endpoint.read_hosts(text)?;
        endpoint.read_path(text)?;
        Ok(endpoint)
    }

    fn read_hosts(&mut self, text: &str) -> Result<(), EndpointError> {
        let lower = text.to_ascii_lowercase();
        for cloud in CloudName::ALL {
            // Of two concatenated hosts the second starts where the first one ends.
            let mut parts = lower.split(cloud.suffix()).peekable();
            let mut rest = text;
            while let Some(part) = parts.next() {
                let (before, after) = rest.split_at_checked(part.len()).unwrap_or((rest, ""));
                rest = after.get(cloud.suffix().len()..).unwrap_or_default();
                if parts.peek().is_none() {
                    break;
                }
                let host_character =
                    |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-');
                let prefix = before.trim_end_matches(host_character);
                let host = before.strip_prefix(prefix).unwrap_or_default();
                // A scheme or a path ends before it.
                if !prefix.trim_start().is_empty() && !prefix.ends_with('/') {
                    return Err(EndpointError::NotAHost(cleaned(&format!(
                        "{before}{}",
                        cloud.suffix()
                    ))));
                }
                let Some(labels) = host.strip_suffix('.') else {
                    continue;
                };
                let service = labels.split('.').next().unwrap_or_default();
                if service.is_empty() {
                    continue;
                }
                if is_placeholder(service) {
                    return Err(EndpointError::NotAHost(cleaned(host)));
                }
                set_or_compare(&mut self.service, service, "the instance")?;
                if let Some(first) = self.cloud.filter(|first| *first != cloud) {
                    return Err(EndpointError::TwoNames {
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
        let at = text.to_ascii_lowercase().find("/subscriptions/");
        let Some(path) = at.and_then(|at| text.get(at..)) else {
            return Ok(());
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        // The value of a part is the segment after its keyword.
        let value_after = |word: &str| {
            let mut segments = path.split('/').map(str::trim);
            segments.find(|segment| segment.eq_ignore_ascii_case(word))?;
            let value = percent_decode_str(segments.next()?).decode_utf8().ok()?;
            (!value.is_empty()).then(|| value.into_owned())
        };
        for (field, word, what) in [
            (&mut self.subscription, "subscriptions", "the subscription"),
            (&mut self.resource_group, "resourceGroups", "the resource group"),
            (&mut self.service, "service", "the instance"),
            (&mut self.gateway, "gateways", "the gateway"),
        ] {
            if let Some(value) = value_after(word) {
                // The name of a gateway may have such characters.
                if word != "gateways" && is_placeholder(&value) {
                    return Err(EndpointError::NotAName {
                        what,
                        name: cleaned(&value),
                    });
                }
                set_or_compare(field, &value, what)?;
            }
        }
        Ok(())
    }
}

/// Whether a name is yet to be put there, as for `<name>`, `$(NAME)`, or `{{ name }}`; or
/// was put there and is empty.
fn is_placeholder(text: &str) -> bool {
    text.starts_with('-') || text.contains(['$', '<', '>', '{', '}'])
}

/// Sets an empty field; a field that is set must be equal, ignoring case.
fn set_or_compare(field: &mut Option<String>, value: &str, what: &'static str) -> Result<(), EndpointError> {
    if !is_azure_name(value) {
        return Err(EndpointError::NotAName {
            what,
            name: cleaned(value),
        });
    }
    match field {
        Some(first) if !first.eq_ignore_ascii_case(value) => Err(EndpointError::TwoNames {
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
    fn a_host_contains_the_instance_and_the_cloud() {
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
    fn a_management_path_contains_every_part() {
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
    fn a_custom_domain_contains_no_part() {
        assert_eq!(parse("https://config.contoso.com"), Endpoint::default());
        assert_eq!(parse("azure-api.net"), Endpoint::default());
        assert_eq!(parse(""), Endpoint::default());
    }

    #[test]
    fn a_text_with_the_domain_in_it_is_not_a_host() {
        for text in [
            "bad\nd.configuration.azure-api.net",
            "bad d.configuration.azure-api.net",
            "https://bad\td.azure-api.net",
            "https://bad\u{1b}d.azure-api.net",
            "https://bad_d.azure-api.net",
            "https://bad%0ad.configuration.azure-api.net",
            "$NAME_d.configuration.azure-api.net",
            "https://${NAME}-d.configuration.azure-api.net",
            "https://$(NOPE)-d.configuration.azure-api.net",
            "https://<org>-d.configuration.azure-api.net",
            "https://{{ .Values.name }}d.configuration.azure-api.net",
            "https://-d.configuration.azure-api.net",
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(
                error.to_string().ends_with("d.azure-api.net` is not a host")
                    || error.to_string().contains("d.configuration"),
                "{text}: {error}"
            );
        }
        assert_eq!(
            parse(" https://svc.azure-api.net\n").service.as_deref(),
            Some("svc")
        );
    }

    #[test]
    fn a_placeholder_in_a_path_is_no_name() {
        for (path, what) in [
            ("/subscriptions/<subscription>/resourceGroups/rg", "subscription"),
            (
                "/subscriptions/s/resourceGroups/{group}/providers",
                "resource group",
            ),
            (
                "/subscriptions/s/resourceGroups/rg/providers/p/service/$(NOPE)-prod",
                "instance",
            ),
            (
                "/subscriptions/s/resourceGroups/rg/providers/p/service/-prod",
                "instance",
            ),
        ] {
            let error = Endpoint::parse(&format!("https://config.contoso.com{path}")).unwrap_err();
            let expected = format!("it contains a name of the {what} that Azure does not allow");
            assert!(error.to_string().starts_with(&expected), "{path}: {error}");
        }
        let gateway = parse(&format!("https://config.contoso.com{PATH}/gateways/x$y"));
        assert_eq!(gateway.gateway.as_deref(), Some("x$y"));
    }

    #[test]
    fn two_different_instances_are_an_error() {
        let error = Endpoint::parse(&format!("https://other.management.azure-api.net{PATH}")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it contains two names of the instance, `other` and `svc`"
        );
    }

    #[test]
    fn a_part_is_a_name_that_azure_allows() {
        let escape =
            "https://svc.azure-api.net/subscriptions/s/resourceGroups/rg/service/svc/gateways/g%1b%5b31m";
        let error = Endpoint::parse(escape).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it contains a name of the gateway that Azure does not allow, `g [31m`"
        );
        let long = format!("https://{}.azure-api.net", "s".repeat(91));
        assert!(Endpoint::parse(&long).is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,200}") {
            let _ = Endpoint::parse(&text);
        }

        #[test]
        fn the_service_is_found_in_any_form(
            service in "[a-z][a-z0-9-]{0,20}[a-z0-9]",
            scheme in prop::sample::select(vec!["", "https://", "http://"]),
            part in prop::sample::select(vec!["", ".configuration", ".management"]),
        ) {
            let text = format!("{scheme}{service}{part}.azure-api.net");
            prop_assert_eq!(parse(&text).service, Some(service));
        }
    }
}
