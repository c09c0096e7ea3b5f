//! The certificates of the TLS listener.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::cloud::{Cloud, ISSUER_SUFFIX};

/// A certificate authority made for one emulator, and what the listener needs to prove its names.
pub(super) struct Identity {
    pub(super) ca_pem: String,
    pub(super) server: Arc<ServerConfig>,
}

impl Identity {
    pub(super) fn generate() -> anyhow::Result<Identity> {
        let ca = CertifiedIssuer::self_signed(authority_params(), KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = leaf_params()?.signed_by(&key, &ca)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone(), ca.der().clone()], key)
            .context("the emulator's certificate does not fit its key")?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Identity {
            ca_pem: ca.pem(),
            server: Arc::new(server),
        })
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("apim-sandbox CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params() -> anyhow::Result<CertificateParams> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    names.push(format!("*.{ISSUER_SUFFIX}"));
    for cloud in Cloud::ALL {
        let suffix = cloud.api_suffix();
        let hosts = [cloud.authority(), cloud.resource_manager(), cloud.graph()];
        names.extend(hosts.map(str::to_owned));
        names.extend(["", "configuration.", "management."].map(|part| format!("*.{part}{suffix}")));
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = named("apim-sandbox");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // OpenSSL in its strict mode, which Python 3.13 turns on, refuses a leaf without this extension.
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
