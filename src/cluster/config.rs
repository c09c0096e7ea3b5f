//! The client's configuration, from kubectl's flags and the environment. It is
//! assembled field by field, because kube's own code reads the proxy variables
//! of the process and fails on a `NO_PROXY` that kubectl accepts.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri, header};
use kube::Config;
use kube::config::{AuthInfo, Cluster, ExecAuthCluster};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;

use super::inputs::ConnectInputs;
use super::name::valid_namespace;
use super::proxy::proxy_for;
use super::source::{Source, find};
use crate::error::{Error, Result};
use crate::model::request::KubeConnection;
use crate::retry::ATTEMPT;

/// kubectl's namespace if nothing sets one.
const DEFAULT_NAMESPACE: &str = "default";

const CONNECT: Duration = Duration::from_secs(10);
const WRITE: Duration = Duration::from_secs(30);
/// The API server itself ends a request after 60 seconds, unless it is a stream.
const ANSWER: Duration = Duration::from_secs(70);
/// Between two pieces of one response. Streams of logs and watches are silent
/// for minutes, so this only catches a broken connection, and a shorter
/// `--request-timeout` does not apply.
const READ: Duration = Duration::from_secs(295);

/// How to reach the cluster.
#[derive(Debug)]
pub struct Connection {
    /// An exec plugin has not run yet.
    pub config: Config,
    /// Its source: "context prod of ~/.kube/config".
    pub origin: String,
    /// The context, if it alone names the cluster.
    pub context: Option<String>,
    /// How long to wait for the head of a response; `None` is without a limit.
    pub answer_within: Option<Duration>,
    /// How long one request may take, retries included, if that is set.
    pub request_timeout: Option<Duration>,
    /// How long one attempt may take.
    pub attempt: Duration,
}

/// The namespace of the kubeconfig's context or of the pod.
pub fn namespace(args: &KubeConnection, environment: ConnectInputs<'_>) -> Result<String> {
    let found = find(args, environment)?.namespace;
    let namespace = found
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    valid_namespace(&namespace)?;
    Ok(namespace)
}

/// Finds the cluster and applies the flags, without any request.
pub fn load(args: &KubeConnection, environment: ConnectInputs<'_>) -> Result<Connection> {
    let mut source = find(args, environment)?;
    apply_to_cluster(args, &mut source);
    apply_to_user(args, &mut source.user)?;
    let Source {
        cluster,
        user,
        namespace,
        origin,
        context,
        root_cert_file,
    } = source;

    let secure = args.certificate_authority.is_some()
        || args.client_certificate.is_some()
        || args.insecure_skip_tls_verify;
    let server = parse_server(cluster.server.as_deref(), &origin, secure)?;
    let mut config = Config::new(server);
    config.default_namespace = args
        .namespace
        .clone()
        .or(namespace)
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    valid_namespace(&config.default_namespace)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name.clone().filter(|name| !name.is_empty());
    config.root_cert = root_certificates(&cluster, config.accept_invalid_certs)?;
    config.root_cert_file = root_cert_file;
    let variable = |name: &str| environment.variable(name);
    config.proxy_url = proxy_for(&config.cluster_url, cluster.proxy_url.as_deref(), &variable)?;
    config.auth_info = credentials(user, &cluster, &config.cluster_url)?;
    config.default_retry = false;
    let version = concat!("kubectl-apim/", env!("CARGO_PKG_VERSION"));
    config
        .headers
        .push((header::USER_AGENT, HeaderValue::from_static(version)));

    let limit = |default| match args.request_timeout {
        None => Some(default),
        Some(limit) => Some(limit).filter(|limit| !limit.is_zero()),
    };
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(WRITE);
    config.read_timeout = limit(READ).map(|limit| limit.max(READ));
    // Otherwise the idle time of a connection counts against the next response.
    config.reset_reader_on_write = true;
    Ok(Connection {
        config,
        origin,
        context,
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
        cluster.insecure_skip_tls_verify = Some(args.insecure_skip_tls_verify);
        cluster.certificate_authority = args.certificate_authority.as_deref().map(text);
        cluster.certificate_authority_data = None;
        source.root_cert_file = None;
    }
    if args.tls_server_name.is_some() || args.server.is_some() {
        cluster.tls_server_name.clone_from(&args.tls_server_name);
    }
    if let Some(server) = &args.server {
        cluster.server = Some(server.clone());
    }
}

fn apply_to_user(args: &KubeConnection, user: &mut AuthInfo) -> Result<()> {
    if let Some(token) = &args.token {
        if !token.is_usable() {
            return Err(Error::usage(
                "--token is empty or contains characters that are not valid in a token",
            ));
        }
        user.token = Some(token.secret().clone());
        user.token_file = None;
        user.username = None;
        user.password = None;
        user.auth_provider = None;
        user.exec = None;
    }
    if let Some(path) = &args.client_certificate {
        user.client_certificate = Some(text(path));
        user.client_certificate_data = None;
    }
    if let Some(path) = &args.client_key {
        user.client_key = Some(text(path));
        user.client_key_data = None;
    }
    if let Some(name) = &args.impersonate {
        user.impersonate = Some(name.clone());
    }
    if !args.impersonate_groups.is_empty() {
        user.impersonate_groups = Some(args.impersonate_groups.clone());
    }
    if let Some(uid) = &args.impersonate_uid {
        user.impersonate_uid = Some(uid.clone());
    }
    if user.impersonate.is_none() && (user.impersonate_groups.is_some() || user.impersonate_uid.is_some()) {
        return Err(Error::usage("--as-group and --as-uid need --as"));
    }
    Ok(())
}

fn parse_server(server: Option<&str>, origin: &str, secure: bool) -> Result<Uri> {
    let server = server
        .filter(|server| !server.is_empty())
        .ok_or_else(|| Error::usage(format!("{origin} has no server")).hint("set it with --server"))?;
    // As in client-go, a bare host is HTTP unless a flag is about TLS.
    let full = match (server.contains("://"), secure) {
        (true, _) => server.to_owned(),
        (false, true) => format!("https://{server}"),
        (false, false) => format!("http://{server}"),
    };
    let uri = full.parse::<Uri>().ok();
    uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
        .ok_or_else(|| Error::usage(format!("the server of {origin} is not an http or https URL")))
}

/// The certificates to trust; `None` for those of the system. If it has none, as
/// in an image from scratch, the built-in ones.
fn root_certificates(cluster: &Cluster, accept_invalid: bool) -> Result<Option<Vec<Vec<u8>>>> {
    let pem = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        _ if accept_invalid => return Ok(Some(Vec::new())),
        (Some(data), _) if !data.is_empty() => STANDARD
            .decode(data)
            .map_err(|_| Error::failed("certificate-authority-data of the kubeconfig is not Base64"))?,
        (_, Some(path)) if !path.is_empty() => std::fs::read(path).map_err(|error| {
            Error::failed(format!(
                "the certificate authority {path} cannot be read: {error}"
            ))
        })?,
        _ if cfg!(target_os = "linux") && rustls_native_certs::load_native_certs().certs.is_empty() => {
            let built_in = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
            return Ok(Some(built_in.iter().map(|root| root.to_vec()).collect()));
        }
        _ => return Ok(None),
    };
    let roots: Result<Vec<Vec<u8>>, _> = CertificateDer::pem_slice_iter(&pem)
        .map(|root| root.map(|root| root.to_vec()))
        .collect();
    match roots {
        Ok(roots) if !roots.is_empty() => Ok(Some(roots)),
        _ => Err(Error::failed(
            "the certificate authority of the cluster contains no PEM certificate",
        )),
    }
}

/// The user's credentials. As in kubectl, none are sent over plain HTTP, where
/// others could read them.
fn credentials(mut user: AuthInfo, cluster: &Cluster, server: &Uri) -> Result<AuthInfo> {
    if server.scheme_str() != Some("https") {
        return Ok(AuthInfo {
            impersonate: user.impersonate,
            impersonate_uid: user.impersonate_uid,
            impersonate_groups: user.impersonate_groups,
            impersonate_user_extra: user.impersonate_user_extra,
            ..AuthInfo::default()
        });
    }
    if let (None, Some(path)) = (&user.token, &user.token_file) {
        let token = std::fs::read_to_string(path)
            .map_err(|error| Error::failed(format!("the token file {path} cannot be read: {error}")))?;
        // The client copies the file into the header, with its line break.
        if token.trim() != token {
            user.token = Some(SecretString::from(token.trim()));
            user.token_file = None;
        }
    }
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        let info = ExecAuthCluster::try_from(cluster).map_err(|error| {
            Error::failed(format!(
                "the description of the cluster for the plugin cannot be made: {error}"
            ))
        })?;
        exec.cluster = Some(info);
    }
    Ok(user)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
