use secrecy::ExposeSecret;

use super::*;

fn parse(text: &str) -> Result<Kubeconfig> {
    Kubeconfig::parse(text.as_bytes(), Path::new("/home/me/.kube/config"))
}

#[test]
fn hand_merged_files_are_read_as_go_reads_them() {
    let text = "current-context: a\nusers: [{name: x, user: {token: old}}]\n\
                clusters:\n- name: c\n  cluster: {server: 'https://1', server: 'https://2'}\n\
                users: [{name: u, user: {token: new}}]\n---\ncurrent-context: b\n";
    let read = parse(text).unwrap();
    assert_eq!(read.current_context, "a");
    assert_eq!(find(&read.clusters, "c").unwrap().server, "https://2");
    assert_eq!(find(&read.users, "u").unwrap().token.expose_secret(), "new");
    assert!(find(&read.users, "x").is_none());
}

#[test]
fn null_and_missing_fields_are_absent() {
    let text = "apiVersion: v1\nkind: Config\npreferences: {}\nclusters: null\ncontexts: [{name: a, context: null}]\n\
                users:\n- name: u\n  user: {token: null, exec: {command: x, args: null, env: [{name: A}], provideClusterInfo: null}}\n\
                - name: v\n  other: 1\n";
    let read = parse(text).unwrap();
    assert!(read.clusters.is_empty());
    assert_eq!(find(&read.contexts, "a").unwrap().cluster, "");
    let user = find(&read.users, "u").unwrap();
    let exec = user.exec.as_ref().unwrap();
    assert!(user.token.expose_secret().is_empty() && exec.args.is_empty() && !exec.provide_cluster_info);
    assert_eq!(exec.env[0].value, "");
    assert!(find(&read.users, "v").unwrap().exec.is_none());
    for empty in ["", "# nothing\n", "---\n", "null\n"] {
        assert!(parse(empty).unwrap().contexts.is_empty());
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let text = "clusters: [{name: c, cluster: {certificate-authority: ca.crt}}, {name: d, cluster: {certificate-authority: ''}}]\n\
                users:\n- {name: u, user: {tokenFile: t, client-certificate: /abs/c, client-key: '', exec: {command: ./x}}}\n\
                - {name: v, user: {exec: {command: kubelogin}}}\n";
    let read = parse(text).unwrap();
    let authority = |name| find(&read.clusters, name).unwrap().certificate_authority.as_str();
    assert_eq!((authority("c"), authority("d")), ("/home/me/.kube/ca.crt", ""));
    let user = find(&read.users, "u").unwrap();
    assert_eq!(user.token_file, "/home/me/.kube/t");
    assert_eq!(
        (user.client_certificate.as_str(), user.client_key.as_str()),
        ("/abs/c", "")
    );
    assert_eq!(user.exec.as_ref().unwrap().command, "/home/me/.kube/./x");
    let bare = find(&read.users, "v").unwrap().exec.as_ref().unwrap();
    assert_eq!(bare.command, "kubelogin");
}

#[test]
fn booleans_have_the_words_of_yaml_1_1() {
    for (word, expected) in [
        ("yes", true),
        ("On", true),
        ("true", true),
        ("no", false),
        ("false", false),
    ] {
        let text = format!("clusters: [{{name: c, cluster: {{insecure-skip-tls-verify: {word}}}}}]");
        let read = parse(&text).unwrap();
        assert_eq!(
            find(&read.clusters, "c").unwrap().insecure_skip_tls_verify,
            expected,
            "{word}"
        );
    }
}

#[test]
fn utf_16_is_read_and_a_byte_order_mark_skipped() {
    let text = "\u{feff}current-context: grün\n";
    let units: Vec<u16> = text.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for bytes in [little, big, text.as_bytes().to_vec()] {
        let read = Kubeconfig::parse(&bytes, Path::new("config")).unwrap();
        assert_eq!(read.current_context, "grün");
    }
}

#[test]
fn what_is_no_kubeconfig_is_refused_without_quoting_it() {
    for (text, expected) in [
        ("users: [{name: u, user: {token: 5512345}}]", "has another type"),
        ("- 5512345\n", "has another type"),
        ("users:\n- name: u\n  user: {token: 5512345\n", ", line "),
        (
            "kind: Deployment\napiVersion: apps/v1\n",
            "it is a Deployment of apps/v1",
        ),
        (
            "contexts: [{name: a}, {name: b}, {name: a}]",
            "has the context `a` twice",
        ),
        (
            "users: [{name: u, user: {token: '5512345'}}, {name: u}]",
            "has the user `u` twice",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("5512345"));
    }
}

#[test]
fn the_first_file_to_define_something_wins() {
    let mut first =
        parse("current-context: ''\nclusters: [{name: c, cluster: {server: 'https://1'}}]").unwrap();
    first.merge(
        parse("current-context: b\nclusters: [{name: c, cluster: {server: x, proxy-url: p}}, {name: d}]")
            .unwrap(),
    );
    first.merge(parse("current-context: z\n").unwrap());
    assert_eq!(first.current_context, "b");
    let cluster = find(&first.clusters, "c").unwrap();
    assert_eq!(
        (cluster.server.as_str(), cluster.proxy_url.as_str()),
        ("https://1", "")
    );
    assert!(find(&first.clusters, "d").is_some());
}
