use std::fs;

use jiff::Timestamp;

use super::*;

const PROD: &str = r"
current-context: prod
contexts:
- {name: prod, context: {cluster: c1, user: u1, namespace: shop}}
clusters:
- {name: c1, cluster: {server: 'https://prod:6443', certificate-authority: ca.crt}}
users:
- {name: u1, user: {client-certificate: pki/u1.crt, client-key: pki/u1.key}}
";
const DEV: &str = r"
current-context: dev
contexts:
- {name: dev, context: {cluster: c2, user: u2}}
- {name: prod, context: {cluster: c2, user: u2}}
clusters:
- {name: c2, cluster: {server: 'https://dev:6443'}}
users:
- {name: u2, user: {token: t}}
";

fn find_with(args: &KubeConnection, variables: &[(&str, String)]) -> Result<Source> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.clone())
    };
    find(args, ConnectInputs::new(&variable, false, Timestamp::UNIX_EPOCH))
}

fn list(paths: &[PathBuf]) -> String {
    std::env::join_paths(paths).unwrap().into_string().unwrap()
}

#[test]
fn the_list_is_merged_and_missing_entries_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let [prod, dev, missing] = ["prod", "dev", "missing"].map(|name| dir.path().join(name));
    fs::write(&prod, PROD).unwrap();
    fs::write(&dev, DEV).unwrap();
    let variables = [("KUBECONFIG", list(&[missing, prod.clone(), dev]))];

    let source = find_with(&KubeConnection::default(), &variables).unwrap();
    assert_eq!(source.cluster.server, "https://prod:6443");
    assert_eq!(source.namespace, "shop");
    assert_eq!(source.origin, format!("context prod of {}", prod.display()));
    assert_eq!(source.context.as_deref(), Some("prod"));
    let server = KubeConnection {
        server: Some("https://other:6443".to_owned()),
        ..KubeConnection::default()
    };
    let elsewhere = find_with(&server, &variables).unwrap();
    assert_eq!(elsewhere.context, None, "it names another cluster");
    let ca = dir.path().join("ca.crt");
    assert_eq!(Some(source.cluster.certificate_authority.as_str()), ca.to_str());
    let key = dir.path().join("pki/u1.key");
    assert_eq!(Some(source.user.client_key.as_str()), key.to_str());

    let args = KubeConnection {
        context: Some("dev".to_owned()),
        user: Some("u1".to_owned()),
        ..KubeConnection::default()
    };
    let source = find_with(&args, &variables).unwrap();
    assert_eq!(source.cluster.server, "https://dev:6443");
    assert!(!source.user.client_key.is_empty());
}

#[test]
fn an_unknown_context_is_answered_with_the_known_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dev");
    fs::write(&path, DEV).unwrap();
    let args = KubeConnection {
        kubeconfig: Some(path),
        context: Some("stage".to_owned()),
        ..KubeConnection::default()
    };
    let error = find_with(&args, &[]).unwrap_err();
    assert!(error.to_string().contains("has no context stage"));
    assert_eq!(error.hints(), ["choose one of: dev, prod"]);
}

#[test]
fn home_is_the_default_and_is_abbreviated() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".kube")).unwrap();
    fs::write(dir.path().join(".kube/config"), DEV).unwrap();
    let variables = [("HOME", dir.path().to_str().unwrap().to_owned())];
    let source = find_with(&KubeConnection::default(), &variables).unwrap();
    assert_eq!(source.origin, "context dev of ~/.kube/config");
}

#[test]
fn without_any_source_each_is_named() {
    let home = ("HOME", "/nowhere".to_owned());
    let error = find_with(&KubeConnection::default(), std::slice::from_ref(&home)).unwrap_err();
    assert!(error.to_string().contains("no ~/.kube/config"), "{error}");
    assert!(error.to_string().contains("KUBERNETES_SERVICE_HOST"));

    let args = KubeConnection {
        server: Some("https://api:6443".to_owned()),
        ..KubeConnection::default()
    };
    assert_eq!(
        find_with(&args, &[home]).unwrap().origin,
        "server https://api:6443"
    );
}

#[test]
fn a_kubeconfig_set_by_flag_must_exist_and_is_never_quoted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    let args = KubeConnection {
        kubeconfig: Some(path.clone()),
        ..KubeConnection::default()
    };
    assert!(
        find_with(&args, &[])
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
    fs::write(&path, "users:\n- name: u\n  user: {token: s3cr3t\n").unwrap();
    let error = find_with(&args, &[]).unwrap_err();
    assert!(error.to_string().contains("is not a kubeconfig, line"), "{error}");
    assert!(!format!("{error:?}").contains("s3cr3t"));
}

#[test]
fn the_service_account_of_a_pod_stays_in_files() {
    let dir = tempfile::tempdir().unwrap();
    let variable = |name: &str| match name {
        "KUBERNETES_SERVICE_HOST" => Some("fd00::1".to_owned()),
        "KUBERNETES_SERVICE_PORT" => Some("443".to_owned()),
        _ => None,
    };
    let environment = ConnectInputs::new(&variable, false, Timestamp::UNIX_EPOCH);
    assert!(in_cluster(environment, dir.path()).is_err());
    fs::write(dir.path().join("token"), "t").unwrap();
    fs::write(dir.path().join("namespace"), "shop\n").unwrap();

    let source = in_cluster(environment, dir.path()).unwrap().unwrap();
    assert_eq!(source.cluster.server, "https://[fd00::1]:443");
    assert_eq!(source.namespace, "shop");
    assert_eq!(
        Some(source.user.token_file.as_str()),
        dir.path().join("token").to_str()
    );
    assert_eq!(source.root_cert_file, Some(dir.path().join("ca.crt")));
    let nowhere = ConnectInputs::new(&|_| None, false, Timestamp::UNIX_EPOCH);
    assert!(in_cluster(nowhere, dir.path()).unwrap().is_none());
}

#[test]
fn what_set_the_cluster_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    fs::write(&file, PROD).unwrap();
    fs::create_dir(dir.path().join(".kube")).unwrap();
    fs::write(dir.path().join(".kube/config"), PROD).unwrap();
    let by_variable = [("KUBECONFIG", list(std::slice::from_ref(&file)))];
    let by_default = [("HOME", dir.path().display().to_string())];
    let given = |change: fn(&mut KubeConnection)| {
        let mut args = KubeConnection::default();
        change(&mut args);
        args
    };
    let set_by =
        |args: &KubeConnection, variables: &[(&str, String)]| find_with(args, variables).unwrap().set_by;
    assert_eq!(set_by(&given(|_| ()), &by_variable), "KUBECONFIG");
    assert_eq!(set_by(&given(|_| ()), &by_default), "default kubeconfig");
    let mut in_file = given(|_| ());
    in_file.kubeconfig = Some(file);
    assert_eq!(set_by(&in_file, &by_variable), "--kubeconfig");
    let in_context = given(|args| args.context = Some("prod".to_owned()));
    assert_eq!(set_by(&in_context, &by_variable), "--context");
    let of_cluster = given(|args| args.cluster = Some("c1".to_owned()));
    assert_eq!(set_by(&of_cluster, &by_variable), "--cluster");
    let at_server = given(|args| args.server = Some("https://x".to_owned()));
    assert_eq!(set_by(&at_server, &by_variable), "--server");
    assert_eq!(set_by(&at_server, &[]), "--server");
}
