//! The fields of a kubeconfig.

use serde_json::{Value, json};
use tokio::process::Command;

use super::{Row, check, kubeconfig, read};
use crate::case::Case;
use crate::user::{may, user};

/// Client certificates as `openssl` makes them, and keys in every form.
const MADE: &str = r"
openssl ecparam -name prime256v1 -genkey -out parameters.key 2>&1
openssl req -new -key parameters.key -subj /CN=me -out me.csr 2>&1
openssl x509 -req -in me.csr -signkey parameters.key -days 30 -out me.pem 2>&1
openssl pkcs8 -topk8 -in parameters.key -passout pass:x -out encrypted.key 2>&1
openssl genrsa -out other.key 2048 2>&1
cat me.pem parameters.key >both.pem
";

/// What, the user, whether kubectl reaches the cluster, and what is said here.
const USERS: [(&str, &str, bool, &str); 24] = [
    ("a token", "token: TOKEN", true, ""),
    ("a wrong token", "token: nobody", false, "401"),
    (
        "a file beats a token",
        "token: nobody, tokenFile: token",
        true,
        "",
    ),
    (
        "a token without its file",
        "token: TOKEN, tokenFile: missing",
        true,
        "",
    ),
    (
        "a token beside an empty file",
        "token: TOKEN, tokenFile: empty",
        true,
        "",
    ),
    (
        "a file that is missing",
        "tokenFile: missing",
        false,
        "cannot be read",
    ),
    (
        "an empty user name",
        "token: TOKEN, username: '', password: ''",
        true,
        "",
    ),
    (
        "a user name and a token",
        "token: TOKEN, username: me",
        false,
        "a user name or a password and a token",
    ),
    (
        "a password and a token",
        "token: TOKEN, password: p",
        false,
        "a user name or a password and a token",
    ),
    (
        "empty certificates beside a token",
        "token: TOKEN, client-certificate: '', client-certificate-data: '', client-key: '', client-key-data: ''",
        true,
        "",
    ),
    (
        "a key alone",
        "token: TOKEN, client-key: parameters.key",
        true,
        "",
    ),
    (
        "a certificate alone",
        "token: TOKEN, client-certificate: me.pem",
        false,
        "no key for it",
    ),
    (
        "version 1, and EC PARAMETERS",
        "token: TOKEN, client-certificate: me.pem, client-key: parameters.key",
        true,
        "",
    ),
    (
        "both in one file",
        "token: TOKEN, client-certificate: both.pem, client-key: both.pem",
        true,
        "",
    ),
    (
        "another key",
        "token: TOKEN, client-certificate: me.pem, client-key: other.key",
        false,
        "do not belong together",
    ),
    (
        "an encrypted key",
        "token: TOKEN, client-certificate: me.pem, client-key: encrypted.key",
        false,
        "is encrypted",
    ),
    ("a token beats a plugin", "token: TOKEN, PLUGIN", true, ""),
    (
        "a user name beats a plugin",
        "username: me, password: p, PLUGIN",
        false,
        "system:anonymous",
    ),
    ("a plugin that fails", "PLUGIN", false, "exit code 1"),
    (
        "a certificate beats a plugin",
        "client-certificate: me.pem, client-key: parameters.key, PLUGIN",
        false,
        "401",
    ),
    (
        "null",
        "token: TOKEN, tokenFile: null, exec: null, as: null, as-groups: null",
        true,
        "",
    ),
    ("nobody to impersonate", "token: TOKEN, as: ''", true, ""),
    (
        "a group without a user",
        "token: TOKEN, as-groups: [g]",
        false,
        "--as",
    ),
    (
        "a plugin and a provider",
        "auth-provider: {name: oidc}, PLUGIN",
        false,
        "auth-provider",
    ),
];

const PLUGIN: &str =
    "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: /bin/false}";

/// The same for clusters.
const CLUSTERS: [(&str, &str, bool, &str); 9] = [
    (
        "Base64 in lines",
        "server: 'URL', certificate-authority-data: \"LINES\"",
        true,
        "",
    ),
    (
        "no Base64",
        "server: 'URL', certificate-authority-data: '%'",
        false,
        "is not Base64",
    ),
    (
        "no PEM",
        "server: 'URL', certificate-authority-data: eA==",
        false,
        "no certificate in PEM",
    ),
    (
        "empty fields",
        "CLUSTER, certificate-authority: '', tls-server-name: '', proxy-url: ''",
        true,
        "",
    ),
    (
        "the last of two keys",
        "server: 'https://127.0.0.1:1', CLUSTER",
        true,
        "",
    ),
    ("yes", "server: 'URL', insecure-skip-tls-verify: yes", true, ""),
    (
        "an authority that is not checked",
        "CLUSTER, insecure-skip-tls-verify: true",
        false,
        "insecure-skip-tls-verify",
    ),
    (
        "another name in TLS",
        "CLUSTER, tls-server-name: example.com",
        false,
        "another host name",
    ),
    (
        "the name in TLS",
        "CLUSTER, tls-server-name: kubernetes.default.svc",
        true,
        "",
    ),
];

/// The same for whole files.
const FILES: [(&str, &str, bool, &str); 7] = [
    ("the last of two lists", "users: [{name: x}]\nFILE", true, ""),
    (
        "the first of two documents",
        "FILE---\ncurrent-context: x\n",
        true,
        "",
    ),
    ("a name twice", "FILE- name: u\n", false, "has the user `u` twice"),
    ("another kind", "kind: Pod\nAFTER", false, "is not a kubeconfig"),
    ("a number for a text", "NUMBER", false, "has another type"),
    ("no YAML", "\tx", false, "is not a kubeconfig"),
    ("JSON", "JSON", true, ""),
];

#[tokio::test]
async fn fields_are_read_as_kubectl_reads_them() {
    let case = Case::new("fields").await;
    let gateway = case.idle_portal();
    gateway.apply(&case.client, &case.namespace).await.unwrap();
    let everything = may("*", &["*"], &["get", "list", "watch"]);
    let json = read(user(&case, &json!([everything])).await);
    let written: Value = serde_json::from_str(&json).unwrap();
    let text = |path: &str| written.pointer(path).unwrap().as_str().unwrap();
    let url = text("/clusters/0/cluster/server");
    let ca = text("/clusters/0/cluster/certificate-authority-data");
    let token = text("/users/0/user/token");
    case.hides(token);
    case.file("empty", "\n");
    let file = case.file("token", &format!("{token}\n"));
    let mut made = Command::new("bash");
    made.args(["-e", "-c", MADE]).current_dir(file.parent().unwrap());
    let made = made.output().await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));

    let lines = ca.as_bytes().chunks(76).map(String::from_utf8_lossy);
    let lines = lines.collect::<Vec<_>>().join("\\n");
    let cluster = format!("server: '{url}', certificate-authority-data: {ca}");
    let me = format!("token: {token}");
    let whole = kubeconfig(&case, &cluster, &me);
    let users = USERS.map(|(what, user, kubectl, says)| {
        let user = user.replace("TOKEN", token).replace("PLUGIN", PLUGIN);
        (what, kubeconfig(&case, &cluster, &user), kubectl, says)
    });
    let clusters = CLUSTERS.map(|(what, fields, kubectl, says)| {
        let fields = fields.replace("URL", url).replace("LINES", &lines);
        let fields = fields.replace("CLUSTER", &cluster);
        (what, kubeconfig(&case, &fields, &me), kubectl, says)
    });
    let number = kubeconfig(&case, &cluster, "token: 5");
    let files = FILES.map(|(what, file, kubectl, says)| {
        let file = file.replace("FILE", &whole).replace("NUMBER", &number);
        let file = file.replace("AFTER", &whole.replace("kind: Config\n", ""));
        (what, file.replace("JSON", &json), kubectl, says)
    });
    let rows = users.into_iter().chain(clusters).chain(files);
    let rows = rows.map(|(what, kubeconfig, kubectl, says)| Row {
        what,
        kubeconfig,
        kubectl,
        says,
    });
    check(&case, rows.collect()).await;
}
