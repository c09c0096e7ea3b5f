//! The settings of a connection, from kubectl's flags, the kubeconfig and the
//! environment, by the rules of client-go.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::exec::Plugin;
use super::inputs::ConnectInputs;
use super::kubeconfig::{Cluster, User};
use super::name::valid_namespace;
use super::oidc::provider;
use super::proxy::proxy_for;
use super::session::{Authorization, bearer, token_in};
use super::source::{Source, find};
use super::tls::{Trust, given, identity_of};
use super::transport::Transport;
use crate::error::{Error, Result};
use crate::model::request::KubeConnection;
use crate::retry::ATTEMPT;

/// kubectl's namespace if nothing sets one.
const DEFAULT_NAMESPACE: &str = "default";

/// The API server itself ends a request after 60 seconds, unless it is a stream.
const ANSWER: Duration = Duration::from_secs(70);
/// Between two pieces of one response. Streams of logs and watches are silent
/// for minutes, so this only catches a broken connection, and a shorter
/// `--request-timeout` does not apply.
const READ: Duration = Duration::from_secs(295);

/// What a header's name may not contain is escaped in it.
const HEADER: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// How to reach the cluster.
pub(super) struct Connection {
    pub(super) server: Uri,
    pub(super) namespace: String,
    /// Its source: "context prod of ~/.kube/config".
    pub(super) origin: String,
    /// The flag, the variable or the place that set it.
    pub(super) set_by: &'static str,
    /// The context, if it alone names the cluster.
    pub(super) context: Option<String>,
    pub(super) transport: Transport,
    pub(super) identity: Option<Arc<CertifiedKey>>,
    /// A plugin has not run yet.
    pub(super) authorization: Authorization,
    /// The headers of every request.
    pub(super) headers: HeaderMap,
    pub(super) impersonates: bool,
    /// How long to wait for the head of a response; `None` is without a limit.
    pub(super) answer_within: Option<Duration>,
    /// How long one request may take, retries included, if that is set.
    pub(super) request_timeout: Option<Duration>,
    /// How long one attempt may take.
    pub(super) attempt: Duration,
}

/// The namespace of the kubeconfig's context or of the pod.
pub fn namespace(args: &KubeConnection, environment: ConnectInputs<'_>) -> Result<String> {
    namespace_of(None, &find(args, environment)?.namespace)
}

fn namespace_of(flag: Option<&str>, source: &str) -> Result<String> {
    let namespace = flag.unwrap_or(source);
    let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
    let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE);
    valid_namespace(namespace)?;
    Ok(namespace.to_owned())
}

/// Finds the cluster and applies the flags, without any request.
pub(super) fn load(args: &KubeConnection, environment: ConnectInputs<'_>) -> Result<Connection> {
    let mut source = find(args, environment)?;
    apply_to_cluster(args, &mut source);
    apply_to_user(args, &mut source.user)?;
    let Source {
        cluster,
        user,
        namespace,
        origin,
        set_by,
        context,
        root_cert_file,
    } = source;

    let secure = args.certificate_authority.is_some()
        || args.client_certificate.is_some()
        || args.insecure_skip_tls_verify;
    let server = parse_server(&cluster.server, &origin, secure)?;
    let limit = |default| match args.request_timeout {
        None => Some(default),
        Some(limit) => Some(limit).filter(|limit| !limit.is_zero()),
    };
    let variable = |name: &str| environment.variable(name);
    let is_secure = server.scheme_str() == Some("https");
    let transport = Transport {
        trust: match &root_cert_file {
            Some(file) => Trust::in_file(file)?,
            None => Trust::of(&cluster)?,
        },
        server_name: server_name(&cluster.tls_server_name)?,
        proxy: proxy_for(&server, Some(&cluster.proxy_url), &variable)?,
        read_timeout: limit(READ).map(|limit| limit.max(READ)),
    };
    // As in kubectl, no credentials are sent over plain HTTP, where others could
    // read them.
    let user_of_tls = if is_secure { user.clone() } else { User::default() };
    let identity = identity_of(&user_of_tls)?;
    let authorization = authorization(&user_of_tls, identity.is_some(), &cluster, environment)?;
    Ok(Connection {
        namespace: namespace_of(args.namespace.as_deref(), &namespace)?,
        server,
        origin,
        set_by,
        context,
        transport,
        identity,
        authorization,
        headers: headers(&user)?,
        impersonates: !user.impersonate.is_empty(),
        answer_within: limit(ANSWER),
        request_timeout: args.request_timeout.filter(|limit| !limit.is_zero()),
        attempt: match args.request_timeout {
            None => ATTEMPT,
            Some(Duration::ZERO) => Duration::MAX,
            Some(limit) => limit,
        },
    })
}

/// Merges the flags as client-go does: a flag about the certificate authority
/// replaces all settings of the kubeconfig about it, and a server set by flag
/// does not inherit the TLS server name of another one.
fn apply_to_cluster(args: &KubeConnection, source: &mut Source) {
    let cluster = &mut source.cluster;
    if args.insecure_skip_tls_verify || args.certificate_authority.is_some() {
        cluster.insecure_skip_tls_verify = args.insecure_skip_tls_verify;
        cluster.certificate_authority = args
            .certificate_authority
            .as_deref()
            .map(text)
            .unwrap_or_default();
        cluster.certificate_authority_data.clear();
        source.root_cert_file = None;
    }
    if args.tls_server_name.is_some() || args.server.is_some() {
        cluster.tls_server_name = args.tls_server_name.clone().unwrap_or_default();
    }
    if let Some(server) = &args.server {
        cluster.server.clone_from(server);
    }
}

fn apply_to_user(args: &KubeConnection, user: &mut User) -> Result<()> {
    if let Some(token) = &args.token {
        if !token.is_usable() {
            return Err(Error::usage(
                "--token is empty or contains characters that are not valid in a token",
            ));
        }
        user.token = token.secret().clone();
        user.token_file.clear();
        user.username.clear();
        user.password = SecretString::default();
        user.auth_provider = None;
        user.exec = None;
    }
    if let Some(path) = &args.client_certificate {
        user.client_certificate = text(path);
        user.client_certificate_data.clear();
    }
    if let Some(path) = &args.client_key {
        user.client_key = text(path);
        user.client_key_data = SecretString::default();
    }
    if let Some(name) = &args.impersonate {
        user.impersonate.clone_from(name);
    }
    if !args.impersonate_groups.is_empty() {
        user.impersonate_groups.clone_from(&args.impersonate_groups);
    }
    if let Some(uid) = &args.impersonate_uid {
        user.impersonate_uid.clone_from(uid);
    }
    let is_more = !user.impersonate_groups.is_empty()
        || !user.impersonate_uid.is_empty()
        || !user.impersonate_extra.is_empty();
    if user.impersonate.is_empty() && is_more {
        return Err(Error::usage(
            "a group, a uid or more is impersonated, and no user: set --as, or `as` in the kubeconfig",
        ));
    }
    Ok(())
}

fn parse_server(server: &str, origin: &str, secure: bool) -> Result<Uri> {
    if server.is_empty() {
        return Err(Error::usage(format!("{origin} has no server")).hint("set it with --server"));
    }
    // As in client-go, a bare host is HTTP unless a flag is about TLS.
    let full = match (server.contains("://"), secure) {
        (true, _) => server.to_owned(),
        (false, true) => format!("https://{server}"),
        (false, false) => format!("http://{server}"),
    };
    let uri = full.parse::<Uri>().ok();
    let authority = uri.as_ref().and_then(Uri::authority);
    if authority.is_some_and(|authority| authority.as_str().contains('@')) {
        // The server is printed and logged.
        return Err(Error::usage(format!(
            "the server of {origin} has a user name or a password in its URL"
        ))
        .hint("move them to `username` and `password` of the kubeconfig's user"));
    }
    uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
        .ok_or_else(|| Error::usage(format!("the server of {origin} is not an http or https URL")))
}

fn server_name(name: &str) -> Result<Option<ServerName<'static>>> {
    if name.is_empty() {
        return Ok(None);
    }
    let parsed = ServerName::try_from(name.to_owned());
    parsed
        .map(Some)
        .map_err(|_| Error::usage(format!("the TLS server name `{name}` is not the name of a host")))
}

/// How the user signs in. As in client-go, a plugin runs only if the user has
/// nothing else.
fn authorization(
    user: &User,
    has_certificate: bool,
    cluster: &Cluster,
    environment: ConnectInputs<'_>,
) -> Result<Authorization> {
    let has_token = !user.token.expose_secret().is_empty();
    let has_name = !user.username.is_empty();
    let has_password = has_name || !user.password.expose_secret().is_empty();
    let two_ways = |one: &str, other: &str| {
        Error::usage(format!("the kubeconfig's user has {one} and {other}"))
            .hint("remove one of them, or choose with --token; kubectl does not sign in with both either")
    };
    if has_password && (has_token || !user.token_file.is_empty()) {
        return Err(two_ways("a user name or a password", "a token"));
    }
    if user.exec.is_some() && user.auth_provider.is_some() {
        return Err(two_ways("a credential plugin (exec)", "an auth-provider"));
    }
    if has_token || !user.token_file.is_empty() {
        return token(user);
    }
    if has_name {
        let pair = format!("{}:{}", user.username, user.password.expose_secret());
        let header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)));
        let mut header = header.map_err(|_| Error::usage("the kubeconfig's user name is not valid"))?;
        header.set_sensitive(true);
        return Ok(Authorization::Header(header));
    }
    if let Some(found) = &user.auth_provider {
        return provider(found).map(Authorization::Provider);
    }
    match &user.exec {
        Some(exec) if !has_certificate => {
            let info = exec.provide_cluster_info.then(|| info(cluster)).transpose()?;
            Plugin::new(exec.clone(), info, environment).map(Authorization::Plugin)
        }
        _ => Ok(Authorization::Nothing),
    }
}

/// The file comes first, and the token beside it counts while there is no file.
fn token(user: &User) -> Result<Authorization> {
    let beside = Some(&user.token).filter(|token| !token.expose_secret().is_empty());
    let beside = beside.map(bearer).transpose()?;
    if user.token_file.is_empty() {
        return Ok(beside.map_or(Authorization::Nothing, Authorization::Header));
    }
    let path = Path::new(&user.token_file);
    let shown = path.display();
    if beside.is_none() {
        std::fs::read(path)
            .map_err(|error| Error::failed(format!("the token file {shown} cannot be read: {error}")))?;
        if token_in(path).is_none() {
            return Err(Error::failed(format!("the token file {shown} is empty")));
        }
    }
    Ok(Authorization::TokenFile(path.to_owned(), Mutex::new(beside)))
}

/// What a plugin is told of the cluster.
fn info(cluster: &Cluster) -> Result<serde_json::Value> {
    let mut info = json!({ "server": cluster.server });
    let authority = given(
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
        "certificate-authority",
    )?;
    let authority = authority.map(|pem| json!(STANDARD.encode(pem)));
    let text = |text: &str| (!text.is_empty()).then(|| json!(text));
    for (name, value) in [
        ("tls-server-name", text(&cluster.tls_server_name)),
        (
            "insecure-skip-tls-verify",
            cluster.insecure_skip_tls_verify.then_some(json!(true)),
        ),
        ("certificate-authority-data", authority),
        ("proxy-url", text(&cluster.proxy_url)),
        (
            "disable-compression",
            cluster.disable_compression.then_some(json!(true)),
        ),
        ("config", cluster.for_plugins().cloned()),
    ] {
        if let Some(value) = value {
            info[name] = value;
        }
    }
    Ok(info)
}

fn headers(user: &User) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let version = concat!("kubectl-apim/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(version));
    let mut add = |name: &str, value: &str| {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return Err(Error::usage(format!(
                "`{value}` cannot be impersonated: a header cannot hold it"
            )));
        };
        headers.append(name, value);
        Ok(())
    };
    for (name, value) in [
        ("impersonate-user", &user.impersonate),
        ("impersonate-uid", &user.impersonate_uid),
    ] {
        if !value.is_empty() {
            add(name, value)?;
        }
    }
    for group in &user.impersonate_groups {
        add("impersonate-group", group)?;
    }
    for (key, values) in &user.impersonate_extra {
        let name = format!("impersonate-extra-{}", percent_encode(key.as_bytes(), HEADER));
        for value in values {
            add(&name, value)?;
        }
    }
    Ok(headers)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
