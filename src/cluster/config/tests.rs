use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

const KUBECONFIG: &str = r"
current-context: prod
contexts:
- {name: prod, context: {cluster: c, user: u, namespace: shop}}
clusters:
- name: c
  cluster:
    server: https://prod:6443
    insecure-skip-tls-verify: true
    tls-server-name: inner
    proxy-url: http://proxy:3128
users:
- name: u
  user:
    client-certificate-data: Yw==
    client-key-data: aw==
    exec: {apiVersion: client.authentication.k8s.io/v1, command: x, provideClusterInfo: true}
";

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

fn given(kubeconfig: &str) -> (TempDir, KubeConnection) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    fs::write(&path, kubeconfig).unwrap();
    let args = KubeConnection {
        kubeconfig: Some(path),
        ..KubeConnection::default()
    };
    (dir, args)
}

fn load_from(args: &KubeConnection) -> Result<Connection> {
    load(args, ConnectInputs::new(&|_| None, false, Timestamp::UNIX_EPOCH))
}

#[test]
fn without_flags_the_kubeconfig_counts() {
    let (_dir, args) = given(KUBECONFIG);
    let connection = load_from(&args).unwrap();
    let config = connection.config;
    assert_eq!(config.cluster_url, "https://prod:6443/");
    assert_eq!(config.default_namespace, "shop");
    assert!(config.accept_invalid_certs);
    assert_eq!(config.tls_server_name.as_deref(), Some("inner"));
    assert_eq!(config.proxy_url.unwrap(), "http://proxy:3128/");
    assert!(!config.default_retry);
    assert_eq!(config.connect_timeout, Some(CONNECT));
    assert_eq!(connection.answer_within, Some(ANSWER));
    let (name, value) = &config.headers[0];
    assert_eq!(name, header::USER_AGENT);
    assert!(value.to_str().unwrap().starts_with("kubectl-apim/"));
    let info = config.auth_info.exec.unwrap().cluster.unwrap();
    assert_eq!(info.server.as_deref(), Some("https://prod:6443"));
}

#[test]
fn every_flag_reaches_its_field() {
    let (dir, args) = given(KUBECONFIG);
    let authority = dir.path().join("ca.crt");
    fs::write(&authority, CERTIFICATE).unwrap();
    let args = KubeConnection {
        namespace: Some("other".to_owned()),
        impersonate: Some("ci".to_owned()),
        impersonate_groups: vec!["g".to_owned()],
        impersonate_uid: Some("1".to_owned()),
        request_timeout: Some(Duration::from_secs(5)),
        server: Some("https://other".to_owned()),
        token: Some("t".parse().unwrap()),
        client_certificate: Some(PathBuf::from("me.crt")),
        client_key: Some(PathBuf::from("me.key")),
        certificate_authority: Some(authority),
        ..args
    };
    let connection = load_from(&args).unwrap();
    let config = connection.config;
    assert_eq!(config.cluster_url, "https://other/");
    assert_eq!(config.default_namespace, "other");
    assert!(!config.accept_invalid_certs);
    assert_eq!(config.root_cert, Some(vec![vec![0x30, 0]]));
    assert_eq!(config.tls_server_name, None);
    // A silent watch goes on.
    assert_eq!(config.read_timeout, Some(READ));
    assert_eq!(connection.answer_within, Some(Duration::from_secs(5)));
    let user = config.auth_info;
    assert_eq!(user.token.unwrap().expose_secret(), "t");
    assert!(user.exec.is_none());
    assert_eq!(user.client_certificate.as_deref(), Some("me.crt"));
    assert_eq!(user.client_key.as_deref(), Some("me.key"));
    assert!(user.client_certificate_data.is_none() && user.client_key_data.is_none());
    assert_eq!(user.impersonate.as_deref(), Some("ci"));
    assert_eq!(user.impersonate_groups, Some(vec!["g".to_owned()]));
    assert_eq!(user.impersonate_uid.as_deref(), Some("1"));
}

#[test]
fn zero_means_no_timeout() {
    let (_dir, args) = given(KUBECONFIG);
    let args = KubeConnection {
        request_timeout: Some(Duration::ZERO),
        ..args
    };
    let connection = load_from(&args).unwrap();
    assert_eq!(connection.answer_within, None);
    assert_eq!(connection.config.read_timeout, None);
}

#[test]
fn plain_http_carries_no_credentials() {
    let (_dir, args) = given(KUBECONFIG);
    let args = KubeConnection {
        server: Some("localhost:8001".to_owned()),
        token: Some("t".parse().unwrap()),
        impersonate: Some("ci".to_owned()),
        ..args
    };
    let config = load_from(&args).unwrap().config;
    assert_eq!(config.cluster_url, "http://localhost:8001/");
    assert!(config.auth_info.token.is_none() && config.auth_info.exec.is_none());
    assert_eq!(config.auth_info.impersonate.as_deref(), Some("ci"));
}

#[test]
fn the_line_break_of_a_token_file_is_removed() {
    let (dir, args) = given(&KUBECONFIG.replace("exec: {", "tokenFile: token\n    exec: {"));
    fs::write(dir.path().join("token"), "t\n").unwrap();
    let user = load_from(&args).unwrap().config.auth_info;
    assert_eq!(user.token.unwrap().expose_secret(), "t");
    assert!(user.token_file.is_none());
}

#[test]
fn invalid_values_are_refused() {
    let (_dir, args) = given(KUBECONFIG);
    for wrong in [
        KubeConnection {
            namespace: Some("a/b".to_owned()),
            ..args.clone()
        },
        KubeConnection {
            server: Some("ftp://x".to_owned()),
            ..args.clone()
        },
        KubeConnection {
            impersonate_uid: Some("1".to_owned()),
            ..args.clone()
        },
        KubeConnection {
            token: Some("two words".parse().unwrap()),
            ..args.clone()
        },
        KubeConnection {
            certificate_authority: args.kubeconfig.clone(),
            ..args
        },
    ] {
        assert!(load_from(&wrong).is_err(), "{wrong:?}");
    }
}
