use crate::error::{Error, Result};
use crate::model::CloudName;
use crate::model::request::CloudRequest;

/// Refuses a gateway of several whose endpoint belongs to another cloud than the
/// run. Anyone who can write a gateway's settings can name another cloud there,
/// and must not decide where the credential of the run is sent. An endpoint with
/// a custom domain belongs to any cloud, and a cloud that is given by a URL of
/// its own may have any domain.
pub fn refuse_other_cloud(run: &CloudRequest, gateway: &str, endpoint: Option<CloudName>) -> Result<()> {
    match (run.name(), endpoint) {
        (Some(run), Some(own)) if run != own => {
            let (run, own) = (run.as_str(), own.as_str());
            Err(Error::refused(format!(
                "the endpoint of gateway `{gateway}` is in the cloud {own}, but this run is for the cloud {run}"
            ))
            .hint(format!(
                "for the gateways of that cloud, run the same command with --cloud {own}"
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_gateway_of_another_cloud_is_refused() {
        let public = CloudRequest::Known(CloudName::Public);
        let china = CloudRequest::ResourceManager("https://management.chinacloudapi.cn".to_owned());
        let own = CloudRequest::ResourceManager("https://management.azurestack.corp".to_owned());
        for (run, endpoint, other) in [
            (&public, Some(CloudName::Public), None),
            (&public, None, None),
            (&public, Some(CloudName::China), Some("--cloud china")),
            (&china, Some(CloudName::China), None),
            (&china, Some(CloudName::Public), Some("--cloud public")),
            (&own, Some(CloudName::Public), None),
        ] {
            let refused = refuse_other_cloud(run, "gw", endpoint).err();
            assert_eq!(refused.is_some(), other.is_some(), "{run} {endpoint:?}");
            if let (Some(error), Some(hint)) = (refused, other) {
                assert_eq!(error.kind(), Kind::Refused);
                assert!(error.hints()[0].ends_with(hint), "{:?}", error.hints());
            }
        }
    }
}
