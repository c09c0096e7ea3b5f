use std::fs;

use jiff::Timestamp;
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
    exec: {apiVersion: client.authentication.k8s.io/v1, command: x, provideClusterInfo: true}
";

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

fn header(authorization: &Authorization) -> &str {
    match authorization {
        Authorization::Header(value) => value.to_str().unwrap(),
        _ => "",
    }
}

#[test]
fn without_flags_the_kubeconfig_counts() {
    let (_dir, args) = given(KUBECONFIG);
    let connection = load_from(&args).unwrap();
    assert_eq!(connection.server, "https://prod:6443/");
    assert_eq!(connection.namespace, "shop");
    assert!(matches!(connection.transport.trust, Trust::Anyone));
    assert_eq!(connection.transport.server_name.unwrap().to_str(), "inner");
    assert_eq!(connection.transport.proxy.unwrap(), "http://proxy:3128/");
    assert_eq!(connection.answer_within, Some(ANSWER));
    let agent = connection.headers[header::USER_AGENT].to_str().unwrap();
    assert!(agent.starts_with("kubectl-apim/"));
    assert!(matches!(connection.authorization, Authorization::Plugin(_)));
}

#[test]
fn every_flag_reaches_its_field() {
    let (dir, args) = given(KUBECONFIG);
    let files = ["ca.crt", "me.crt", "me.key"].map(|name| dir.path().join(name));
    let key = rcgen::generate_simple_self_signed(["me".to_owned()]).unwrap();
    fs::write(&files[0], key.cert.pem()).unwrap();
    fs::write(&files[1], key.cert.pem()).unwrap();
    fs::write(&files[2], key.signing_key.serialize_pem()).unwrap();
    let [authority, certificate, key] = files;
    let args = KubeConnection {
        namespace: Some("other".to_owned()),
        impersonate: Some("ci".to_owned()),
        impersonate_groups: vec!["g".to_owned()],
        impersonate_uid: Some("1".to_owned()),
        request_timeout: Some(Duration::from_secs(5)),
        server: Some("https://other".to_owned()),
        token: Some("t".parse().unwrap()),
        client_certificate: Some(certificate),
        client_key: Some(key),
        certificate_authority: Some(authority),
        ..args
    };
    let connection = load_from(&args).unwrap();
    assert_eq!(connection.server, "https://other/");
    assert_eq!(connection.namespace, "other");
    assert!(matches!(connection.transport.trust, Trust::These(_)));
    assert!(connection.transport.server_name.is_none());
    // A silent watch goes on.
    assert_eq!(connection.transport.read_timeout, Some(READ));
    assert_eq!(connection.answer_within, Some(Duration::from_secs(5)));
    assert_eq!(header(&connection.authorization), "Bearer t");
    assert!(connection.identity.is_some() && connection.impersonates);
    let sent =
        ["impersonate-user", "impersonate-group", "impersonate-uid"].map(|name| &connection.headers[name]);
    assert_eq!(sent, ["ci", "g", "1"]);
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
    assert_eq!(connection.transport.read_timeout, None);
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
    let connection = load_from(&args).unwrap();
    assert_eq!(connection.server, "http://localhost:8001/");
    assert!(matches!(connection.authorization, Authorization::Nothing) && connection.identity.is_none());
    assert_eq!(connection.headers["impersonate-user"], "ci");
}

/// The authorization of a user of the kubeconfig, in which `DIR` is its directory.
fn of_user(user: &str) -> Result<String> {
    let (dir, args) = given("");
    for (name, text) in [("token", "of-a-file\n"), ("empty", "\n")] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let text = format!(
        "current-context: a\ncontexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'https://c'}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
    );
    fs::write(args.kubeconfig.as_ref().unwrap(), text).unwrap();
    let connection = load_from(&args)?;
    assert!(connection.identity.is_none());
    Ok(match &connection.authorization {
        Authorization::Nothing => "nothing".to_owned(),
        Authorization::Header(value) => value.to_str().unwrap().to_owned(),
        Authorization::TokenFile(path, beside) => {
            let token = token_in(path).map(|token| bearer(&token).unwrap());
            let token = token.or_else(|| beside.lock().unwrap().clone()).unwrap();
            token.to_str().unwrap().to_owned()
        }
        Authorization::Provider(_) => "provider".to_owned(),
        Authorization::Plugin(_) => "plugin".to_owned(),
    })
}

#[test]
fn the_user_signs_in_as_in_client_go() {
    const EXEC: &str = "exec: {apiVersion: client.authentication.k8s.io/v1, command: x}";
    for (user, expected) in [
        ("token: t", "Bearer t"),
        ("token: t, tokenFile: token", "Bearer of-a-file"),
        ("token: t, tokenFile: missing", "Bearer t"),
        ("token: t, tokenFile: empty", "Bearer t"),
        ("token: '', tokenFile: token", "Bearer of-a-file"),
        ("username: '', password: ''", "nothing"),
        ("username: '', password: p", "nothing"),
        ("username: u", "Basic dTo="),
        ("username: u, password: p", "Basic dTpw"),
        (
            "token: t, client-certificate: '', client-certificate-data: '', client-key: '', client-key-data: ''",
            "Bearer t",
        ),
        // Without a certificate, the key is ignored.
        ("token: t, client-key-data: '%%%'", "Bearer t"),
        ("token: t, as: ''", "Bearer t"),
        (EXEC, "plugin"),
        (&format!("token: t, {EXEC}"), "Bearer t"),
        (&format!("username: u, {EXEC}"), "Basic dTo="),
        (&format!("token: '', tokenFile: '', {EXEC}"), "plugin"),
    ] {
        assert_eq!(of_user(user).unwrap(), expected, "{user}");
    }
    for (user, expected) in [
        ("token: t, username: u", "a password and a token"),
        ("tokenFile: token, username: u", "a password and a token"),
        ("token: t, password: p", "a password and a token"),
        ("tokenFile: missing", "cannot be read"),
        ("tokenFile: empty", "is empty"),
        ("client-certificate-data: eA==", "no key for it"),
        (
            "client-certificate-data: '%%%', client-key-data: eA==",
            "is not Base64",
        ),
        ("as-groups: [g]", "set --as"),
        ("auth-provider: {name: gcp}", "`gcp` is not supported"),
        (&format!("auth-provider: {{name: oidc}}, {EXEC}"), "exec"),
        (
            "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}",
            "v1alpha1",
        ),
        (
            "exec: {apiVersion: client.authentication.k8s.io/v1}",
            "no command",
        ),
    ] {
        let error = of_user(user).unwrap_err();
        assert!(error.to_string().contains(expected), "{user}: {error}");
    }
}

#[test]
fn an_authority_and_no_check_of_it_contradict_each_other() {
    let (dir, args) = given(&KUBECONFIG.replace(
        "tls-server-name",
        "certificate-authority: ca.crt\n    tls-server-name",
    ));
    let key = rcgen::generate_simple_self_signed(["me".to_owned()]).unwrap();
    fs::write(dir.path().join("ca.crt"), key.cert.pem()).unwrap();
    let error = load_from(&args).err().unwrap();
    assert!(error.to_string().contains("insecure-skip-tls-verify"), "{error}");
    let args = KubeConnection {
        insecure_skip_tls_verify: true,
        ..args
    };
    assert!(matches!(load_from(&args).unwrap().transport.trust, Trust::Anyone));
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
