use std::path::Path;
use std::{env, fs};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::load_native_certs;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

use crate::azure::transport::error::Error;

/// Where Linux distributions keep the bundle of all roots, as Go's
/// crypto/x509 lists them. One file is read instead of the two hundred of the
/// directory beside it, which hold the same roots.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The trusted roots: those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the
/// system's, else the built-in ones, and a CA file on top.
pub(crate) fn roots(extra_ca: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(trusted()?);
    if added == 0 {
        store.add_parsable_certificates(TLS_SERVER_ROOT_CERTS.iter().cloned());
    }
    if let Some(path) = extra_ca {
        let (added, _) = store.add_parsable_certificates(named(path, "the CA file")?);
        if added == 0 {
            let path = path.display();
            return Err(Error::Setup(format!(
                "cannot use the CA file {path}: it holds no certificate in PEM form"
            )));
        }
    }
    Ok(store)
}

/// The roots that were named, or the system's. Other roots than the ones that
/// were named would be a surprise.
fn trusted() -> Result<Vec<CertificateDer<'static>>, Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the two variables are read where they are known"
    )]
    let [file, folders] =
        ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| env::var_os(name).filter(|value| !value.is_empty()));
    if file.is_some() || folders.is_some() {
        let mut certificates = match &file {
            Some(file) => named(Path::new(file), "SSL_CERT_FILE")?,
            None => Vec::new(),
        };
        for folder in folders.iter().flat_map(env::split_paths) {
            let files = fs::read_dir(folder).into_iter().flatten().flatten();
            // A folder holds other files too, and each certificate under two
            // names and in a bundle.
            certificates.extend(files.filter_map(|file| read(&file.path()).ok()).flatten());
        }
        certificates.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        certificates.dedup();
        return if certificates.is_empty() {
            let named: Vec<_> = file
                .iter()
                .chain(&folders)
                .map(|value| value.to_string_lossy())
                .collect();
            Err(Error::Setup(format!(
                "SSL_CERT_FILE and SSL_CERT_DIR name no certificate: {}",
                named.join(", ")
            )))
        } else {
            Ok(certificates)
        };
    }
    let bundle = BUNDLES.iter().map(Path::new).find_map(|path| read(path).ok());
    Ok(match bundle {
        Some(certificates) if cfg!(target_os = "linux") => certificates,
        _ => load_native_certs().certs,
    })
}

fn named(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    read(path).map_err(|why| Error::Setup(format!("cannot use {what} {}: {why}", path.display())))
}

/// The certificates of a PEM file.
fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok(certificates(&text))
}

/// The certificates of a PEM text. The parsers of rustls and of the crate pem
/// take 80 instructions a byte, which for the roots of a system is half the
/// work of a whole rotation; public certificates need no such care.
fn certificates(text: &str) -> Vec<CertificateDer<'static>> {
    let sections = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let decoded = sections.filter_map(|section| {
        let (body, _) = section.split_once("-----END CERTIFICATE-----")?;
        let base64: String = body.lines().map(str::trim).collect();
        STANDARD.decode(base64).ok()
    });
    decoded.map(CertificateDer::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_always_roots() {
        assert!(roots(None).unwrap().len() > 10);
    }

    /// The text around certificates, as distributions write it, says nothing.
    #[test]
    fn certificates_are_found_among_other_text() {
        let bundle = "# Root\r\n-----BEGIN CERTIFICATE-----\r\nAQID\r\nBA==\r\n-----END CERTIFICATE-----\r\n\
                      -----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n\
                      -----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n\
                      -----BEGIN CERTIFICATE-----\nBQ==\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAQ";
        let found: Vec<Vec<u8>> = certificates(bundle).iter().map(|one| one.to_vec()).collect();
        assert_eq!(found, [vec![1, 2, 3, 4], vec![5]]);
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let missing = roots(Some(&path)).unwrap_err().to_string();
        fs::write(&path, "nothing").unwrap();
        let empty = roots(Some(&path)).unwrap_err().to_string();
        for message in [missing, empty] {
            assert!(message.contains("ca.pem: "), "{message}");
        }
    }
}
