//! Where a gateway's configuration is.

/// A configuration endpoint in any of its published spellings.
#[derive(Debug, PartialEq)]
pub(super) struct Endpoint {
    pub(super) host: String,
    /// The path of the gateway or of its service, without a slash at its end.
    path: String,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.split_once("://").map_or(text, |(_scheme, rest)| rest);
        let text = text.split_once('?').map_or(text, |(rest, _query)| rest);
        let (authority, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        // The port is not that of the emulator.
        let host = authority.split_once(':').map_or(authority, |(host, _port)| host);
        let host = host.to_ascii_lowercase();
        (!host.is_empty()).then(|| Self {
            host,
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// The address of the configuration of `gateway`.
    pub(super) fn url(&self, gateway: &str) -> String {
        let Self { host, path } = self;
        if path.to_ascii_lowercase().contains("/gateways/") {
            return format!("https://{host}{path}");
        }
        let gateway = percent_encoding::utf8_percent_encode(gateway, percent_encoding::NON_ALPHANUMERIC);
        format!("https://{host}{path}/gateways/{gateway}")
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn an_endpoint_is_found_in_every_spelling() {
        let arm = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/svc";
        for (text, expected) in [
            (
                "svc.configuration.azure-api.net".to_owned(),
                "https://svc.configuration.azure-api.net/gateways/gw".to_owned(),
            ),
            (
                "https://svc.configuration.azure-api.net/".to_owned(),
                "https://svc.configuration.azure-api.net/gateways/gw".to_owned(),
            ),
            (
                "HTTPS://Svc.Configuration.azure-api.net:443".to_owned(),
                "https://svc.configuration.azure-api.net/gateways/gw".to_owned(),
            ),
            (
                format!("https://svc.management.azure-api.net{arm}?api-version=2021-08-01"),
                format!("https://svc.management.azure-api.net{arm}/gateways/gw"),
            ),
            (
                format!("https://svc.management.azure-api.net{arm}/gateways/Other"),
                format!("https://svc.management.azure-api.net{arm}/gateways/Other"),
            ),
        ] {
            let endpoint = Endpoint::parse(&text).unwrap();
            assert_eq!(endpoint.url("gw"), expected);
        }
        assert_eq!(Endpoint::parse("https://"), None);
    }
}
