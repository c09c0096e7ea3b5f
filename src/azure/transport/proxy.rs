//! The proxy that the client takes from the environment, for messages.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

/// The proxy for a server, without its user name and password. Plain HTTP is for
/// addresses of this host, which use none.
pub(super) fn proxy_for(server: &Url) -> Option<String> {
    chosen(&Matcher::from_env(), server)
}

fn chosen(environment: &Matcher, server: &Url) -> Option<String> {
    if server.scheme() != "https" {
        return None;
    }
    let server: Uri = server.as_str().parse().ok()?;
    let proxy = environment.intercept(&server)?;
    let address = proxy.uri();
    let authority = address.authority()?.as_str();
    let place = authority.rsplit('@').next().unwrap_or(authority);
    Some(format!("{}://{place}", address.scheme_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_named_without_its_password_unless_it_is_not_used() {
        let environment = Matcher::builder()
            .https("http://u:s3cr3t@proxy:3128")
            .no("vault.example.com")
            .build();
        let proxy = |server: &str| chosen(&environment, &Url::parse(server).unwrap());
        let used = proxy("https://management.azure.com/subscriptions");
        assert_eq!(used.as_deref(), Some("http://proxy:3128"));
        assert_eq!(proxy("https://vault.example.com"), None);
        assert_eq!(proxy("http://169.254.169.254/metadata"), None);
    }
}
