//! The certificates of applications.

use std::fmt::Write as _;

use jiff::Timestamp;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::new_id;

/// A certificate that signs an application in, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCredential {
    /// The id.
    pub key_id: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// From when on it is valid.
    pub start: Timestamp,
    /// Until when it is valid.
    pub end: Timestamp,
    /// The certificate in DER.
    pub der: Vec<u8>,
}

impl KeyCredential {
    /// The credential of a certificate in DER, if it is one.
    pub fn from_der(der: &[u8]) -> Option<KeyCredential> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        let time = |seconds| Timestamp::from_second(seconds).ok();
        Some(KeyCredential {
            key_id: new_id(),
            display_name: Some(certificate.subject().to_string()),
            start: time(validity.not_before.timestamp())?,
            end: time(validity.not_after.timestamp())?,
            der: der.to_vec(),
        })
    }

    /// The credential of a certificate in PEM, if it is one.
    pub fn from_pem(pem: &str) -> Option<KeyCredential> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        KeyCredential::from_der(&der)
    }

    /// The SHA-1 thumbprint of the certificate in upper-case hexadecimal digits.
    pub fn thumbprint(&self) -> String {
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der);
        digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02X}");
            hex
        })
    }
}
