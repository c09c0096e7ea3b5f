//! Whether a server's certificate is accepted, by the rules of Go's `crypto/x509`.
//! The chain is checked by webpki. What it does differently is decided here: it
//! refuses a certificate that is trusted itself and one that may sign others, it
//! trusts an authority whatever its own certificate says, and it ignores key usages.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use crate::error::{Error, Result};

/// Where the certificates are.
#[derive(Debug)]
pub(super) enum Source {
    Given(Vec<CertificateDer<'static>>),
    /// Read again for each connection.
    File(PathBuf),
    /// Nothing is checked.
    Anyone,
}

/// The certificates that are trusted: authorities, or those of servers.
#[derive(Debug)]
pub(super) struct Authorities {
    source: Source,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Why a certificate is not accepted, after "its certificate".
#[derive(Clone, Copy, Debug)]
pub(super) struct Distrust(&'static str);

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Distrust {}

impl From<Distrust> for rustls::Error {
    fn from(why: Distrust) -> Self {
        CertificateError::Other(OtherError(Arc::new(why))).into()
    }
}

impl Authorities {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            algorithms: ring::default_provider().signature_verification_algorithms,
        }
    }

    /// The trusted certificates; `None` if any is.
    fn trusted(&self) -> Result<Option<Cow<'_, [CertificateDer<'static>]>>, rustls::Error> {
        match &self.source {
            Source::Anyone => Ok(None),
            Source::Given(trusted) => Ok(Some(Cow::Borrowed(trusted))),
            Source::File(path) => {
                let read = std::fs::read(path).ok().and_then(|pem| certificates(&pem).ok());
                let unread = Distrust("was issued by an authority whose file cannot be read");
                Ok(Some(Cow::Owned(read.ok_or(unread)?)))
            }
        }
    }

    fn check(
        &self,
        der: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let Some(trusted) = self.trusted()? else {
            return Ok(());
        };
        let (_, certificate) = parse_x509_certificate(der).map_err(|_| CertificateError::BadEncoding)?;
        if certificate.version() == X509Version::V1 {
            return Err(Distrust("is of X.509 version 1, which names no host").into());
        }
        let parsed = trusted.iter().filter_map(|der| parse_x509_certificate(der).ok());
        let signers = parsed.map(|(_, signer)| signer).filter(may_sign);
        let signers: Vec<X509Certificate> = signers.collect();
        let valid: Vec<&X509Certificate> = signers.iter().filter(|signer| is_valid(signer, now)).collect();
        let is_issued = || valid.iter().any(|signer| self.has_issued(signer, &certificate));
        if trusted.contains(der) || (is_authority(&certificate) && is_issued()) {
            return checked_alone(der, &certificate, name, now);
        }
        if valid.is_empty() {
            return Err(Distrust(if signers.is_empty() {
                "is neither the trusted one nor issued by an authority: what is trusted may not issue any"
            } else {
                "was issued by an authority that has expired or is not valid yet"
            })
            .into());
        }
        let signing = intermediates.iter().filter(|der| {
            let parsed = parse_x509_certificate(der);
            parsed.is_ok_and(|(_, intermediate)| may_sign(&intermediate))
        });
        let signing: Vec<CertificateDer> = signing.cloned().collect();
        let is_limited = signing.len() < intermediates.len()
            || valid.iter().any(|signer| path_length(signer) < signing.len());
        match chained(&valid, &signing, der, name, now) {
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) if is_limited => {
                Err(Distrust(
                    "was issued by an authority that may not issue it: \
                     by its own certificate, or by the path length of one above it",
                )
                .into())
            }
            verified => verified,
        }
    }

    /// Whether a certificate is signed by another one, which may sign for any name.
    /// Only sound algorithms are tried.
    fn has_issued(&self, signer: &X509Certificate, certificate: &X509Certificate) -> bool {
        let key = &signer.public_key().subject_public_key.data;
        let signature = &certificate.signature_value.data;
        matches!(signer.name_constraints(), Ok(None))
            && certificate.issuer().as_raw() == signer.subject().as_raw()
            && self.algorithms.all.iter().any(|algorithm| {
                let verified =
                    algorithm.verify_signature(key, certificate.tbs_certificate.as_ref(), signature);
                verified.is_ok()
            })
    }
}

/// Whether one of the authorities has issued a certificate, also through others.
fn chained(
    authorities: &[&X509Certificate],
    intermediates: &[CertificateDer<'_>],
    der: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    // webpki does not know how many others may be below an authority.
    let mut by_length: BTreeMap<usize, RootCertStore> = BTreeMap::new();
    for authority in authorities {
        let store = by_length
            .entry(path_length(authority))
            .or_insert_with(RootCertStore::empty);
        // One that cannot be used does not spoil the others.
        let _ = store.add(CertificateDer::from(authority.as_raw()));
    }
    let provider = Arc::new(ring::default_provider());
    let mut failed = CertificateError::UnknownIssuer.into();
    for (length, roots) in by_length {
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let chain = chain.map_err(|error| rustls::Error::General(error.to_string()))?;
        // A server sends its chain in the order of signing (RFC 5246, 7.4.2).
        let sent = intermediates.get(..length).unwrap_or(intermediates);
        match chain.verify_server_cert(der, sent, name, &[], now) {
            Ok(_) => return Ok(()),
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {}
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The most authorities that may be between this one and a server; `usize::MAX` without a
/// limit.
fn path_length(authority: &X509Certificate) -> usize {
    let constraints = authority.basic_constraints().ok().flatten();
    let length = constraints.and_then(|constraints| constraints.value.path_len_constraint);
    length.map_or(usize::MAX, |length| length.try_into().unwrap_or(usize::MAX))
}

/// What is checked of a certificate that is trusted without a chain.
fn checked_alone(
    der: &CertificateDer<'_>,
    certificate: &X509Certificate,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    if !is_valid(certificate, now) {
        let is_early = time(now).is_some_and(|now| now < certificate.validity().not_before);
        let why = if is_early {
            CertificateError::NotValidYet
        } else {
            CertificateError::Expired
        };
        return Err(why.into());
    }
    if !is_for_servers(certificate) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    verify_server_name(&ParsedCertificate::try_from(der)?, name)
}

fn is_valid(certificate: &X509Certificate, now: UnixTime) -> bool {
    time(now).is_some_and(|now| certificate.validity().is_valid_at(now))
}

fn time(now: UnixTime) -> Option<ASN1Time> {
    ASN1Time::from_timestamp(i64::try_from(now.as_secs()).ok()?).ok()
}

/// The certificates of a bundle. As in Go, those that cannot be read are skipped.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let text = String::from_utf8_lossy(pem);
    // One without an end does not hide the next.
    let blocks = text.split(BEGIN).skip(1).map(|rest| format!("{BEGIN}{rest}"));
    let all = blocks.filter_map(|block| CertificateDer::from_pem_slice(block.as_bytes()).ok());
    let readable: Vec<CertificateDer> = all.filter(|der| parse_x509_certificate(der).is_ok()).collect();
    if readable.is_empty() {
        return Err(
            Error::failed("the certificate authority of the cluster contains no certificate in PEM").hint(
                "a certificate in PEM begins with -----BEGIN CERTIFICATE-----; \
                 `openssl x509 -inform der -in FILE` converts one in DER",
            ),
        );
    }
    Ok(readable)
}

/// Whether the extended usages, if there are any, include servers.
fn is_for_servers(certificate: &X509Certificate) -> bool {
    match certificate.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => usage.value.any || usage.value.server_auth,
        Err(_) => false,
    }
}

fn is_authority(certificate: &X509Certificate) -> bool {
    matches!(certificate.basic_constraints(), Ok(Some(constraints)) if constraints.value.ca)
}

/// Whether Go lets a certificate sign others. Version 1 has no extensions that
/// could say so.
fn may_sign(certificate: &X509Certificate) -> bool {
    let signs = match certificate.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
        Err(_) => false,
    };
    let is_authority = is_authority(certificate) || certificate.version() == X509Version::V1;
    is_authority && signs && is_for_servers(certificate) && is_understood(certificate)
}

/// Whether every extension is known that the issuer has marked as essential.
fn is_understood(certificate: &X509Certificate) -> bool {
    certificate.extensions().iter().all(|extension| {
        let parsed = extension.parsed_extension();
        !extension.critical || !(parsed.unsupported() || parsed.error().is_some())
    })
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, server_name, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.source {
            Source::Anyone => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls12_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.source {
            Source::Anyone => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls13_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
