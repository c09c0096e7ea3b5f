//! The audiences of tokens in each cloud.

use crate::model::CloudName;

/// The audience of the token that a gateway presents to the configuration endpoint
/// (learn.microsoft.com, "Reference: Self-hosted gateway settings").
pub const fn token_audience(cloud: CloudName) -> &'static str {
    match cloud {
        CloudName::Public => "https://azure-api.net/configuration",
        CloudName::China => "https://azure-api.cn/configuration",
        CloudName::UsGov => "https://azure-api.us/configuration",
    }
}

/// The audience of a token of Kubernetes that Entra accepts (learn.microsoft.com,
/// "Configure an app to trust an external identity provider").
pub const fn federation_audience(cloud: CloudName) -> &'static str {
    match cloud {
        CloudName::Public => "api://AzureADTokenExchange",
        CloudName::China => "api://AzureADTokenExchangeChina",
        CloudName::UsGov => "api://AzureADTokenExchangeUSGov",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_the_domain_of_its_cloud() {
        for cloud in CloudName::ALL {
            let audience = format!("https://{}/configuration", cloud.suffix());
            assert_eq!(token_audience(cloud), audience);
        }
    }

    #[test]
    fn no_two_clouds_share_an_audience() {
        let all = CloudName::ALL.map(federation_audience);
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
        assert!(all.iter().all(|audience| audience.starts_with(all[0])));
    }
}
