//! A new certificate, self-signed, with its private key.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use getrandom::SysRng;
use jiff::{SignedDuration, Timestamp};
use p12_keystore::{
    Certificate as Pkcs12Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey,
    PrivateKeyChain,
};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, SerialNumber,
};
use rsa::pkcs8::EncodePrivateKey as _;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::Certificate;
use crate::azure::transport::error::Error;

/// The size that Entra's documentation recommends is 2048 at least; this one is good
/// until 2030 and later (NIST SP 800-57).
const BITS: usize = 3072;

/// How far the clock of another machine may be behind.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A certificate that was just made, in the forms in which it is used. Nothing prints
/// its private key.
#[derive(Debug)]
pub struct MadeCertificate {
    /// For Entra.
    pub der: Vec<u8>,
    pub begins: Timestamp,
    pub expires: Timestamp,
    /// The certificate and the private key.
    pub pem: SecretString,
    /// The same as PKCS#12 without a password, encrypted with AES-256 and with a MAC by
    /// SHA-256.
    pub pfx: SecretSlice<u8>,
    /// The same, to sign in with.
    pub certificate: Certificate,
}

impl MadeCertificate {
    /// Makes an RSA key and a certificate for it. This takes a second of computation or
    /// more.
    pub fn make(name: &str, now: Timestamp, expires: Timestamp) -> Result<Self, Error> {
        let key = rsa::PrivateKey::new(&mut SysRng, BITS).map_err(|error| failed(&error))?;
        let key = key.to_pkcs8_der().map_err(|error| failed(&error))?;
        let key = key.as_bytes();
        let begins = now - SKEW;
        let der = signed(name, key, begins, expires).map_err(|error| failed(&error))?;
        let pem = pem(&der, key);
        let pfx = pfx(&der, key).map_err(|error| failed(&error))?;
        let certificate = Certificate::read(pem.expose_secret().as_bytes(), None);
        Ok(Self {
            certificate: certificate.map_err(|error| failed(&error))?,
            der,
            begins,
            expires,
            pem,
            pfx,
        })
    }
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::Setup(format!("cannot make a certificate: {error}"))
}

fn signed(name: &str, key: &[u8], begins: Timestamp, expires: Timestamp) -> Result<Vec<u8>, rcgen::Error> {
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&key.into(), &PKCS_RSA_SHA256)?;
    let time = |time: Timestamp| std::time::SystemTime::from(time).into();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = time(begins);
    params.not_after = time(expires);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(SerialNumber::from_slice(uuid::Uuid::new_v4().as_bytes()));
    Ok(params.self_signed(&key)?.der().to_vec())
}

fn pem(certificate: &[u8], key: &[u8]) -> SecretString {
    let mut text = Zeroizing::new(String::new());
    for (label, der) in [("CERTIFICATE", certificate), ("PRIVATE KEY", key)] {
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(der));
        text.extend(["-----BEGIN ", label, "-----\n"]);
        for line in encoded.as_bytes().chunks(64) {
            *text += &String::from_utf8_lossy(line);
            *text += "\n";
        }
        text.extend(["-----END ", label, "-----\n"]);
    }
    SecretString::from(text.as_str())
}

fn pfx(certificate: &[u8], key: &[u8]) -> Result<SecretSlice<u8>, p12_keystore::error::Error> {
    let leaf = Pkcs12Certificate::from_der(certificate)?;
    let chain = PrivateKeyChain::new("gateway", PrivateKey::from_der(key)?, [leaf]);
    let mut store = KeyStore::new();
    store.add_entry("gateway", KeyStoreEntry::PrivateKeyChain(chain));
    let written = store
        .writer("")
        .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
        .mac_algorithm(MacAlgorithm::HmacSha256)
        .write()?;
    Ok(written.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn openssl(arguments: &[&str], input: &[u8]) -> String {
        let mut openssl = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this test needs the command openssl");
        openssl.stdin.take().unwrap().write_all(input).unwrap();
        let output = openssl.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success(), "{text:?}");
        text.concat()
    }

    #[test]
    fn openssl_reads_what_was_made_and_nothing_prints_the_key() {
        let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let expires = "2027-06-30T00:00:00Z".parse().unwrap();
        let made = MadeCertificate::make("kubectl-apim shop/gw-entra 1", now, expires).unwrap();

        let pfx = made.pfx.expose_secret();
        let info = openssl(&["pkcs12", "-info", "-noout", "-passin", "pass:"], pfx);
        for part in ["MAC: sha256", "AES-256-CBC", "PRF hmacWithSHA256"] {
            assert!(info.contains(part), "{info}");
        }
        let both = openssl(&["pkcs12", "-nodes", "-passin", "pass:"], pfx);
        let key = |text: &str| openssl(&["pkey", "-outform", "PEM"], text.as_bytes());
        assert_eq!(key(&both), key(made.pem.expose_secret()), "the same key in both");
        let form = ["x509", "-noout", "-text"];
        let text = openssl(&form, made.pem.expose_secret().as_bytes());
        for part in [
            "Public-Key: (3072 bit)",
            "sha256WithRSAEncryption",
            "CN = kubectl-apim shop/gw-entra 1",
            "Not Before: Dec 31 23:55:00 2026 GMT",
            "Not After : Jun 30 00:00:00 2027 GMT",
            "Digital Signature",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(made.certificate.not_after(), made.expires);
        assert_eq!(Certificate::read(pfx, None).unwrap().not_after(), made.expires);

        let pem = made.pem.expose_secret();
        let secret = pem.lines().rev().nth(3).unwrap();
        assert!(secret.len() == 64 && !format!("{made:?}").contains(secret));
    }
}
