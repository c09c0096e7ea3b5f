use std::path::Path;
use std::{env, fs};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::load_native_certs;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

use crate::azure::transport::error::Error;

/// The bundles of all roots on Linux distributions, in the order of Go's
/// crypto/x509. One file is read instead of the two hundred in the directory
/// beside it, which contain the same roots.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The trusted roots: those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the
/// system's, else the built-in ones; plus those of a CA file.
pub(crate) fn roots(extra_ca: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(trusted()?);
    if added == 0 {
        store.add_parsable_certificates(TLS_SERVER_ROOT_CERTS.iter().cloned());
    }
    if let Some(path) = extra_ca {
        let (added, _) = store.add_parsable_certificates(read_named(path, "the CA file")?);
        if added == 0 {
            let path = path.display();
            return Err(Error::Setup(format!(
                "cannot use the CA file {path}: it contains no PEM certificate"
            )));
        }
    }
    Ok(store)
}

/// The roots that the variables name, or else the system's. If the variables
/// name no usable root, falling back to others would be a surprise.
fn trusted() -> Result<Vec<CertificateDer<'static>>, Error> {
    #[expect(clippy::disallowed_methods, reason = "only this file uses the two variables")]
    let [file, folders] =
        ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| env::var_os(name).filter(|value| !value.is_empty()));
    if file.is_some() || folders.is_some() {
        let mut certificates = match &file {
            Some(file) => read_named(Path::new(file), "SSL_CERT_FILE")?,
            None => Vec::new(),
        };
        for folder in folders.iter().flat_map(env::split_paths) {
            let files = fs::read_dir(folder).into_iter().flatten().flatten();
            // A folder also contains other files, and each certificate twice
            // by name and once in a bundle.
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
                "no certificate found in SSL_CERT_FILE or SSL_CERT_DIR: {}",
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

fn read_named(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    read(path).map_err(|why| Error::Setup(format!("cannot use {what} {}: {why}", path.display())))
}

/// The certificates of a PEM file.
fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok(certificates(&text))
}

/// The certificates of a PEM text, in one pass. The parsers of rustls and of
/// the crate pem take 80 instructions a byte, which for the roots of a system is
/// half the work of a whole rotation; public certificates need no such care.
fn certificates(text: &str) -> Vec<CertificateDer<'static>> {
    let mut found = Vec::new();
    let mut body = String::new();
    let mut is_inside = false;
    for line in text.lines().map(str::trim_ascii) {
        match line {
            "-----BEGIN CERTIFICATE-----" => {
                body.clear();
                is_inside = true;
            }
            "-----END CERTIFICATE-----" if is_inside => {
                found.extend(STANDARD.decode(&body).map(CertificateDer::from));
                is_inside = false;
            }
            _ if is_inside => body.push_str(line),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_always_roots() {
        assert!(roots(None).unwrap().len() > 10);
    }

    /// Distributions write comments around the certificates.
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
