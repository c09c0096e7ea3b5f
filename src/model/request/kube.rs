use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

/// How to reach Kubernetes, by the names of kubectl's flags. What is not given
/// comes from the kubeconfig or the pod.
#[derive(Clone, Debug, Default)]
pub struct KubeConnection {
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    pub cluster: Option<String>,
    pub user: Option<String>,
    pub namespace: Option<String>,
    pub impersonate: Option<String>,
    pub impersonate_groups: Vec<String>,
    pub impersonate_uid: Option<String>,
    /// How long to wait for the head of an answer; zero is without a limit.
    pub request_timeout: Option<Duration>,
    pub server: Option<String>,
    pub token: Option<BearerToken>,
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    pub certificate_authority: Option<PathBuf>,
    pub insecure_skip_tls_verify: bool,
    pub tls_server_name: Option<String>,
}

/// A bearer token for the API server. It has no `Display`, and its `Debug`
/// shows nothing. It is made of any text, because the refusal of a parser
/// would print the value.
#[derive(Clone)]
pub struct BearerToken(SecretString);

impl BearerToken {
    /// The token, for the client's configuration alone.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }

    /// Whether an HTTP header can hold it.
    pub fn is_usable(&self) -> bool {
        let text = self.0.expose_secret();
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

impl FromStr for BearerToken {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(SecretString::from(text)))
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(hidden)")
    }
}
