//! TLS as Go's `crypto/tls` does it for kubectl: whom to trust, and the client
//! certificate.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_platform_verifier::Verifier;
use x509_parser::parse_x509_certificate;

use super::authority::{Authorities, Source, certificates};
use super::kubeconfig::{Cluster, User};
use crate::error::{Error, Result};

/// As in Go, the bits of the last character that are not used may be set.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Whom to trust.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    /// The authorities of the system. If it has none, as in an image from scratch,
    /// the built-in ones.
    System,
    These(Arc<Authorities>),
    /// Any server, as `--insecure-skip-tls-verify` asks for.
    Anyone,
}

impl Trust {
    /// What the kubeconfig and the flags say.
    pub(super) fn of(cluster: &Cluster) -> Result<Self> {
        let pem = given(
            &cluster.certificate_authority_data,
            &cluster.certificate_authority,
            "certificate-authority",
        )?;
        match (pem, cluster.insecure_skip_tls_verify) {
            (None, true) => Ok(Self::Anyone),
            (None, false) => Ok(Self::System),
            (Some(_), true) => Err(Error::usage(
                "the kubeconfig's cluster has a certificate authority and insecure-skip-tls-verify: true",
            )
            .hint("remove one of them; kubectl does not connect with both either")),
            (Some(pem), false) => Ok(Self::These(Arc::new(Authorities::new(Source::Given(
                certificates(&pem)?,
            ))))),
        }
    }

    /// The authorities of a file that may be replaced while this process runs.
    pub(super) fn in_file(path: &Path) -> Result<Self> {
        let pem = read(&path.to_string_lossy(), "certificate-authority")?;
        certificates(&pem)?;
        let source = Source::File(path.to_owned());
        Ok(Self::These(Arc::new(Authorities::new(source))))
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
        let failed = |error: rustls::Error| {
            Error::failed("the system's certificate authorities cannot be read").caused_by(error)
        };
        Ok(match self {
            Self::These(authorities) => authorities.clone(),
            Self::Anyone => Arc::new(Authorities::new(Source::Anyone)),
            // Elsewhere the system itself verifies.
            Self::System if cfg!(target_os = "linux") => {
                let mut trusted = rustls_native_certs::load_native_certs().certs;
                if trusted.is_empty() {
                    trusted = webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec();
                }
                Arc::new(Authorities::new(Source::Given(trusted)))
            }
            Self::System => Arc::new(Verifier::new(provider.clone()).map_err(failed)?),
        })
    }

    /// The settings of a connection, with a client certificate if there is one.
    pub(super) fn settings(&self, identity: Option<&Arc<CertifiedKey>>) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::failed("TLS cannot be set up").caused_by(error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        Ok(match identity {
            Some(identity) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.clone())))
            }
            None => builder.with_no_client_auth(),
        })
    }
}

/// The client certificate of the kubeconfig. As in kubectl, a key alone counts as
/// none.
pub(super) fn identity_of(user: &User) -> Result<Option<Arc<CertifiedKey>>> {
    use secrecy::ExposeSecret;
    let certificate = given(
        &user.client_certificate_data,
        &user.client_certificate,
        "client-certificate",
    )?;
    let Some(certificate) = certificate else {
        return Ok(None);
    };
    let key = given(
        user.client_key_data.expose_secret(),
        &user.client_key,
        "client-key",
    )?;
    let key =
        key.ok_or_else(|| Error::usage("the kubeconfig's user has a client certificate, but no key for it"))?;
    identity(&certificate, &key).map(Some)
}

/// A client certificate with its chain, and its key, in PEM.
pub(super) fn identity(certificate: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>> {
    let chain: Vec<CertificateDer> = CertificateDer::pem_slice_iter(certificate).flatten().collect();
    let leaf = chain.first().and_then(|leaf| parse_x509_certificate(leaf).ok());
    let Some((_, leaf)) = leaf else {
        return Err(Error::failed(
            "the client certificate is not a certificate in PEM",
        ));
    };
    let der = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
        let error = Error::failed("the key of the client certificate is not a private key in PEM");
        if String::from_utf8_lossy(key).contains("ENCRYPTED") {
            Error::failed("the key of the client certificate is encrypted")
                .hint("decrypt it with `openssl pkey -in KEY -out KEY.pem`; kubectl does not read it either")
        } else {
            error
        }
    })?;
    let signs = ring::default_provider().key_provider.load_private_key(der);
    let signs = signs.map_err(|_| {
        Error::failed("the key of the client certificate is of a kind that is not supported")
            .hint("RSA from 2048 bits, ECDSA with P-256 or P-384, and Ed25519 are supported")
    })?;
    // rustls would parse the certificate too, and refuse version 1, which
    // `openssl x509 -req` makes.
    if signs
        .public_key()
        .is_some_and(|public| public.as_ref() != leaf.public_key().raw)
    {
        return Err(Error::failed(
            "the client certificate and its key do not belong together",
        ));
    }
    drop(leaf);
    Ok(Arc::new(CertifiedKey::new(chain, signs)))
}

/// The content of a field with data, else of the file in the field beside it.
pub(super) fn given(data: &str, file: &str, field: &str) -> Result<Option<Vec<u8>>> {
    if !data.is_empty() {
        // Go ignores line breaks, and nothing else.
        let one_line = data.replace(['\n', '\r'], "");
        let decoded = BASE64.decode(one_line);
        return decoded
            .map(Some)
            .map_err(|_| Error::failed(format!("{field}-data of the kubeconfig is not Base64")));
    }
    if file.is_empty() {
        return Ok(None);
    }
    read(file, field).map(Some)
}

fn read(file: &str, field: &str) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| Error::failed(format!("the {field} {file} cannot be read: {error}")))
}

#[cfg(test)]
mod tests;
