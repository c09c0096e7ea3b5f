//! The certificate of an app registration as a mounted file.
//!
//! The format of the file is not documented. Here it is PKCS#12 without a password, with an RSA key.

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use p12_keystore::Pkcs12Archive;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate with its private key.
pub(super) struct Certificate {
    key: KeyPair,
    thumbprint: String,
}

impl Certificate {
    pub(super) fn read(content: &[u8]) -> Result<Self> {
        let archive =
            Pkcs12Archive::from_pkcs12(content, "").context("it is not PKCS#12 without a password")?;
        let key = archive.keys.first().context("it has no private key")?;
        let key = KeyPair::from_pkcs8(key.key.as_der())
            .map_err(|error| anyhow!("its private key is not RSA: {error}"))?;
        let public = key.public().as_ref();
        let mut certificates = archive.certs.iter().map(|bag| bag.cert.as_der());
        let leaf = certificates.find(|der| public_key(der).is_some_and(|found| found == public));
        let leaf = leaf.context("it has no certificate of its private key")?;
        Ok(Self {
            thumbprint: BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, leaf)),
            key,
        })
    }

    /// The SHA-1 thumbprint as the header `x5t` has it.
    pub(super) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Signs with RS256.
    pub(super) fn sign(&self, text: &[u8]) -> Result<Vec<u8>> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .map_err(|_| anyhow!("the certificate's key cannot sign"))?;
        Ok(signature)
    }
}

fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.public_key().subject_public_key.data.to_vec())
}
