use super::*;

fn pem(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn what_cannot_be_read_in_a_bundle_is_skipped() {
    let (one, key) = pem("one");
    let (two, _) = pem("two");
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let garbage = "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
    let bundle = format!("# a comment\n{broken}{one}{garbage}{key}text\r\n{two}");
    assert_eq!(certificates(bundle.as_bytes()).unwrap().len(), 2);
    for nothing in ["", "text", broken, garbage, &key] {
        assert!(certificates(nothing.as_bytes()).is_err(), "{nothing}");
    }
}

#[test]
fn base64_may_be_in_lines() {
    for (data, expected) in [
        ("Y2E=", Some("ca")),
        ("Y2\r\nE=\n", Some("ca")),
        ("Y2F=", Some("ca")),
    ] {
        let read = given(data, "/not/read", "x").unwrap().unwrap();
        assert_eq!(std::str::from_utf8(&read).ok(), expected);
    }
    for wrong in ["Y2E", "Y2 E=", "%"] {
        assert!(given(wrong, "", "x").is_err(), "{wrong}");
    }
    assert!(given("", "", "x").unwrap().is_none());
}

#[test]
fn a_client_certificate_and_its_key_belong_together() {
    let (certificate, key) = pem("me");
    // Both may be in one file.
    let both = format!("{key}{certificate}");
    assert!(identity(both.as_bytes(), both.as_bytes()).is_ok());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (key, expected) in [
        (pem("other").1.as_str(), "do not belong together"),
        (encrypted, "is encrypted"),
        (&certificate, "not a private key"),
    ] {
        let error = identity(certificate.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(identity(key.as_bytes(), key.as_bytes()).is_err());
}
