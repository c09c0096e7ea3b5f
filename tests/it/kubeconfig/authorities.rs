//! Which certificates of a server are accepted, with those that `openssl` makes
//! in one line.

use apim_sandbox::pki::Identity;
use tokio::process::Command;

use super::{Row, base64, check, kubeconfig, read};
use crate::case::Case;

/// `ca`, what it has issued, and what has issued itself.
const MADE: &str = r#"
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "$@" 2>&1; }
issue() { openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -days 30 -out "$1.pem" -extfile <(echo "$3") 2>&1; }
san=subjectAltName=IP:127.0.0.1
new -x509 -days 30 -keyout ca.key -out ca.pem -subj /CN=ca
new -x509 -days 30 -keyout other.key -out other.pem -subj /CN=other
new -x509 -days 30 -keyout self.key -out self.pem -subj /CN=127.0.0.1 -addext $san
new -x509 -days 30 -keyout named.key -out named.pem -subj /CN=127.0.0.1
new -x509 -days 30 -keyout signing.key -out signing.pem -subj /CN=127.0.0.1 -addext $san -CA ca.pem -CAkey ca.key
new -x509 -days 30 -keyout narrow.key -out narrow.pem -subj /CN=narrow -addext extendedKeyUsage=clientAuth
new -keyout old.key -out old.csr -subj /CN=old
openssl x509 -req -in old.csr -signkey old.key -days 30 -out old.pem 2>&1
for issuer in ca old narrow; do
    new -keyout of-$issuer.key -out of-$issuer.csr -subj /CN=127.0.0.1
    issue of-$issuer $issuer $san
done
new -keyout client.key -out client.csr -subj /CN=127.0.0.1
issue client ca "$san
extendedKeyUsage=clientAuth"
new -keyout short.key -out short.csr -subj /CN=short
openssl x509 -req -in short.csr -signkey short.key -days 30 -out short.pem \
    -extfile <(echo basicConstraints=critical,CA:TRUE,pathlen:0) 2>&1
below() {
    new -keyout $1.key -out $1.csr -subj /CN=$1
    issue $1 $2 "basicConstraints=critical,CA:TRUE
$3"
    new -keyout chain-$1.key -out chain-$1.csr -subj /CN=127.0.0.1
    issue chain-$1 $1 $san
    cat $1.pem >>chain-$1.pem
}
below middle ca
below mute ca keyUsage=digitalSignature
below low short
printf -- '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n' >broken.pem
openssl x509 -in ca.pem -text >text.pem
openssl x509 -in ca.pem -outform der -out der.pem
cat broken.pem narrow.pem other.pem text.pem >bundle.pem
"#;

/// What, the server's certificate, the trusted one, whether kubectl accepts it, and
/// what is said here.
const ROWS: [(&str, &str, &str, bool, &str); 17] = [
    ("an authority", "of-ca", "ca", true, ""),
    (
        "another authority",
        "of-ca",
        "other",
        false,
        "an authority that is not trusted",
    ),
    ("the server's own certificate, issued", "of-ca", "of-ca", true, ""),
    (
        "the server's own certificate, by itself",
        "self",
        "self",
        true,
        "",
    ),
    (
        "the server's own certificate without SAN",
        "named",
        "named",
        false,
        "for another host name",
    ),
    (
        "the certificate of another server",
        "of-ca",
        "self",
        false,
        "not trusted",
    ),
    ("a server that may sign others", "signing", "ca", true, ""),
    (
        "an authority below the trusted one",
        "chain-middle",
        "ca",
        true,
        "",
    ),
    (
        "an authority below it that may not issue any",
        "chain-mute",
        "ca",
        false,
        "may not issue it",
    ),
    (
        "an authority below one that allows none",
        "chain-low",
        "short",
        false,
        "may not issue it",
    ),
    ("an authority of X.509 version 1", "of-old", "old", true, ""),
    (
        "an authority for clients only",
        "of-narrow",
        "narrow",
        false,
        "may not issue any",
    ),
    ("a server for clients only", "client", "ca", false, "serverAuth"),
    (
        "the same, trusted itself",
        "client",
        "client",
        false,
        "serverAuth",
    ),
    (
        "a bundle with others and one that is broken",
        "of-ca",
        "bundle",
        true,
        "",
    ),
    (
        "no certificate that can be read",
        "of-ca",
        "broken",
        false,
        "no certificate in PEM",
    ),
    (
        "a certificate in DER",
        "of-ca",
        "der",
        false,
        "no certificate in PEM",
    ),
];

#[tokio::test]
async fn certificates_are_accepted_as_kubectl_accepts_them() {
    let case = Case::new("authorities").await;
    case.idle_portal()
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    let dir = case.file("ca", "").parent().unwrap().to_owned();
    let made = Command::new("bash")
        .args(["-e", "-c", MADE])
        .current_dir(&dir)
        .output()
        .await
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));

    let mut rows = Vec::new();
    let mut wires = Vec::new();
    for (what, server, trusted, kubectl, says) in ROWS {
        let identity = Identity {
            certificate_pem: read(dir.join(format!("{server}.pem"))),
            key_pem: read(dir.join(format!("{server}.key"))),
        };
        let wire = case
            .sandbox
            .wire_as(&case.kubeconfig_path(), &identity)
            .await
            .unwrap();
        let written: serde_json::Value = serde_json::from_str(&read(wire.kubeconfig_path())).unwrap();
        let url = written["clusters"][0]["cluster"]["server"].as_str().unwrap();
        let authority = base64(std::fs::read(dir.join(format!("{trusted}.pem"))).unwrap());
        let cluster = format!("server: '{url}', certificate-authority-data: {authority}");
        rows.push(Row {
            what,
            kubeconfig: kubeconfig(&case, &cluster, "token: none"),
            kubectl,
            says,
        });
        wires.push(wire);
    }
    check(&case, rows).await;
}
