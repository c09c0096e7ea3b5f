use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use secrecy::SecretString;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::directory::Fingerprint;

mod made;
mod read;

pub use made::MadeCertificate;
pub use read::{CertificateError, looks_like_a_certificate};

/// The certificate of a service principal with its private key. Clones share
/// the key, and nothing prints it.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    key: KeyPair,
    /// DER, the leaf first.
    chain: Vec<Vec<u8>>,
    not_after: Timestamp,
}

impl Certificate {
    /// Reads PEM or PKCS#12; the content shows which it is.
    pub fn read(content: &[u8], password: Option<&SecretString>) -> Result<Self, CertificateError> {
        let read::Content { keys, certificates } = read::content(content, password)?;
        if certificates.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        if keys.is_empty() {
            return Err(CertificateError::NoKey);
        }
        // A file may contain keys of other certificates, and its chain in any
        // order: the leaf is the certificate with the key's public half.
        for key in keys {
            let public = key.public().as_ref();
            let is_leaf = |der: &Vec<u8>| parsed(der).is_some_and(|(spki, _)| spki == public);
            let Some(place) = certificates.iter().position(is_leaf) else {
                continue;
            };
            let mut chain = certificates;
            let leaf = chain.remove(place);
            chain.insert(0, leaf);
            let (_, not_after) = chain
                .first()
                .and_then(|leaf| parsed(leaf))
                .ok_or(CertificateError::BrokenCertificate)?;
            return Ok(Self(Arc::new(Inner {
                key,
                chain,
                not_after,
            })));
        }
        if certificates.iter().all(|der| parsed(der).is_none()) {
            return Err(CertificateError::BrokenCertificate);
        }
        Err(CertificateError::Mismatch)
    }

    /// When it expires.
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// By which it is found among those of an app.
    pub fn fingerprint(&self) -> Fingerprint {
        let leaf = self.0.chain.first().map(Vec::as_slice).unwrap_or_default();
        Fingerprint::of_certificate(digest(&SHA1_FOR_LEGACY_USE_ONLY, leaf).as_ref())
    }

    /// The thumbprints as headers of an assertion (RFC 7515). Entra finds the
    /// registered certificate by them.
    pub(crate) fn thumbprints(&self) -> [(&'static str, String); 2] {
        let leaf = self.0.chain.first().map(Vec::as_slice).unwrap_or_default();
        [("x5t", &SHA1_FOR_LEGACY_USE_ONLY), ("x5t#S256", &SHA256)]
            .map(|(name, algorithm)| (name, BASE64_URL_SAFE_NO_PAD.encode(digest(algorithm, leaf))))
    }

    /// The chain as value of the header `x5c`.
    pub(crate) fn chain(&self) -> Vec<String> {
        self.0
            .chain
            .iter()
            .map(|der| BASE64_STANDARD.encode(der))
            .collect()
    }

    /// Signs with RS256.
    pub(crate) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let key = &self.0.key;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .ok()?;
        Some(signature)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("thumbprints", &self.thumbprints())
            .field("not_after", &self.0.not_after)
            .finish_non_exhaustive()
    }
}

/// A certificate's public key and expiry.
fn parsed(der: &[u8]) -> Option<(Vec<u8>, Timestamp)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let key = certificate.public_key().subject_public_key.data.to_vec();
    let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?;
    Some((key, not_after))
}
