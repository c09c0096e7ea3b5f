//! A service principal by its certificate.

use super::openssl::Folder;
use super::says;
use crate::case::Case;

#[tokio::test]
async fn a_certificate_in_every_form() {
    let case = Case::with_gateway("certificates").await;
    let folder = Folder::with_certificate();
    let password = folder.password();
    let pfx = "pkcs12 -export -inkey key.pem -in certificate.pem";
    folder.openssl("rsa -in key.pem -traditional -out rsa.pem");
    folder.openssl("pkcs8 -topk8 -in key.pem -passout file:password -out encrypted.pem");
    folder.openssl(&format!("{pfx} -passout file:password -out modern.pfx"));
    folder.openssl(&format!("{pfx} -legacy -passout file:password -out legacy.p12"));
    folder.openssl(&format!("{pfx} -passout pass: -out open.pfx"));
    folder.openssl("base64 -in open.pfx -out key-vault");
    folder.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -keyout ca-key.pem -out ca.pem");
    folder.join(&["key.pem", "certificate.pem"], "pkcs8.pem");
    folder.join(&["certificate.pem", "rsa.pem"], "pkcs1.pem");
    folder.join(
        &["ca.pem", "encrypted.pem", "certificate.pem"],
        "chain-encrypted.pem",
    );

    let principal = case.another(|principal| principal.certificates = vec![folder.read("certificate.pem")]);
    let forms = [
        ("pkcs8.pem", false),
        ("pkcs1.pem", false),
        ("chain-encrypted.pem", true),
        ("modern.pfx", true),
        ("legacy.p12", true),
        ("open.pfx", false),
        ("key-vault", false),
    ];
    for (place, (file, has_password)) in forms.into_iter().enumerate() {
        let path = folder.path(file);
        let mut arguments = vec!["--client-secret-file", &path];
        if has_password {
            arguments.extend(["--client-secret-password-file", &password]);
        }
        let ended = case.signs_in(&principal, &arguments).exits(0).await;
        let reason = format!("[auto: certificate {path} in --client-secret-file]");
        let who = format!("as service principal {} of tenant", principal.client_id);
        says(&ended, &["signed in", &who, &reason]);
        folder.shows_nothing(&ended);
        assert_eq!(case.sign_ins(&principal), place + 1, "{file}");
    }

    // The same by the other doors, with the chain.
    let (pem, pfx) = (folder.path("pkcs8.pem"), folder.path("modern.pfx"));
    for run in [
        case.signs_in(&principal, &["-p", &pem]),
        case.signs_in(&principal, &["--auth=service-principal"])
            .env("SP_SECRET", &pem),
        case.signs_in(&principal, &[])
            .env("AZURE_CLIENT_CERTIFICATE_PATH", &pfx)
            .env("AZURE_CLIENT_CERTIFICATE_PASSWORD", &folder.read("password"))
            .env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true"),
        case.signs_in(&principal, &[])
            .env("KUBECTL_APIM_CLIENT_SECRET_FILE", &pfx)
            .env("KUBECTL_APIM_CLIENT_SECRET_PASSWORD_FILE", &password)
            .env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "1"),
    ] {
        let ended = run.exits(0).await;
        assert!(!ended.stderr.contains("warning:"), "{}", ended.stderr);
        folder.shows_nothing(&ended);
    }
    assert_eq!(case.sign_ins(&principal), forms.len() + 4);
}

#[tokio::test]
async fn an_unusable_certificate() {
    let case = Case::with_gateway("bad-certificates").await;
    let folder = unusable_files();
    let principal = case.another(|principal| principal.certificates = vec![folder.read("certificate.pem")]);
    for (file, password, message) in [
        (
            "certificate.pem",
            None,
            "it contains a certificate but no private key",
        ),
        ("key.pem", None, "it contains a private key but no certificate"),
        (
            "mismatch.pem",
            None,
            "its private key does not belong to its certificate",
        ),
        ("encrypted-both.pem", None, "it is encrypted and needs a password"),
        ("encrypted-both.pem", Some("wrong"), "the password is wrong"),
        ("both.pfx", None, "it is encrypted and needs a password"),
        ("both.pfx", Some("wrong"), "the password is wrong"),
        ("old-both.pem", Some("password"), "openssl pkcs8 -topk8"),
        ("small.pem", None, "shorter than 2048 bits"),
        ("pbes1.pem", Some("password"), "its encryption is not supported"),
        ("ec.pem", None, "elliptic-curve key"),
        ("no-such.pem", None, "No such file"),
    ] {
        let path = folder.path(file);
        let mut arguments = vec!["--client-secret-file", &path];
        let password = password.map(|name| folder.path(name));
        if let Some(password) = &password {
            arguments.extend(["--client-secret-password-file", password]);
        }
        let ended = case.signs_in(&principal, &arguments).exits(2).await;
        says(&ended, &[&path, message]);
        folder.shows_nothing(&ended);
    }
    let (path, password) = (folder.path("both.pfx"), folder.path("no-such-password"));
    let arguments = ["-p", &path, "--client-secret-password-file", &password];
    let ended = case.signs_in(&principal, &arguments).exits(2).await;
    says(
        &ended,
        &[
            "cannot read --client-secret-password-file",
            &password,
            "No such file",
        ],
    );
    let ended = case.signs_in(&principal, &["-p", "/no/such"]).exits(2).await;
    says(
        &ended,
        &[
            "--client-secret looks like the path of a certificate, but there is no such file",
            "literal:",
        ],
    );
    assert_eq!(case.sign_ins(&principal), 0);
}

#[tokio::test]
async fn a_certificate_that_entra_refuses() {
    let case = Case::with_gateway("refused-certificates").await;
    let folder = Folder::with_certificate();
    folder.join(&["key.pem", "certificate.pem"], "good.pem");
    let good = folder.path("good.pem");
    let stranger = case.another(|_| {});
    let ended = case.signs_in(&stranger, &["-p", &good]).exits(1).await;
    says(
        &ended,
        &["AADSTS700027", "upload its public part to the app registration"],
    );

    folder.expired_certificate("expired.pem");
    folder.join(&["key.pem", "expired.pem"], "expired-both.pem");
    let expired = case.another(|principal| principal.certificates = vec![folder.read("expired.pem")]);
    let path = folder.path("expired-both.pem");
    let ended = case.signs_in(&expired, &["-p", &path]).exits(1).await;
    says(
        &ended,
        &["expired on 2021-01-01", "AADSTS700027", "not be expired"],
    );
    folder.shows_nothing(&ended);
}

fn unusable_files() -> Folder {
    let folder = Folder::with_certificate();
    folder.write("wrong", "not-the-password\n");
    folder.openssl("genrsa -out other.pem 2048");
    folder.openssl("rsa -in key.pem -traditional -aes128 -passout file:password -out old.pem");
    folder.openssl("pkcs8 -topk8 -in key.pem -passout file:password -out encrypted.pem");
    folder.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ec -keyout ec-key.pem -out ec-certificate.pem");
    folder.openssl("pkcs12 -export -inkey key.pem -in certificate.pem -passout file:password -out both.pfx");
    folder.openssl("genrsa -out small.pem 1024");
    folder.openssl("pkcs8 -topk8 -v1 PBE-SHA1-3DES -in key.pem -passout file:password -out pbes1.pem");
    folder.join(&["other.pem", "certificate.pem"], "mismatch.pem");
    folder.join(&["old.pem", "certificate.pem"], "old-both.pem");
    folder.join(&["encrypted.pem", "certificate.pem"], "encrypted-both.pem");
    folder.join(&["ec-key.pem", "ec-certificate.pem"], "ec.pem");
    folder
}
