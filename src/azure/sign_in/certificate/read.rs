//! Reads the keys and certificates in the content of a file.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as Pkcs12Error;
use pkcs8::der::oid::ObjectIdentifier;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use ring::rsa::KeyPair;
use secrecy::{ExposeSecret, SecretString};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// The content of a certificate file.
pub(crate) struct Content {
    pub(crate) keys: Vec<KeyPair>,
    /// DER, in the order of the file.
    pub(crate) certificates: Vec<Vec<u8>>,
}

/// Why a certificate cannot be used. The texts follow the name of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("it is neither PEM nor PKCS#12")]
    Unreadable,
    #[error("its PEM is broken: a section has no end, or is not base64")]
    BrokenPem,
    #[error("its certificate cannot be parsed")]
    BrokenCertificate,
    #[error("its private key cannot be parsed")]
    BrokenKey,
    #[error("it contains a private key but no certificate")]
    NoCertificate,
    #[error("it contains a certificate but no private key")]
    NoKey,
    #[error("its private key does not belong to its certificate")]
    Mismatch,
    #[error("it is encrypted and needs a password")]
    PasswordNeeded,
    #[error("the password is wrong")]
    WrongPassword,
    #[error(
        "its private key has OpenSSL's legacy encryption (Proc-Type: 4,ENCRYPTED), which is not supported"
    )]
    OldEncryption,
    #[error("its encryption is not supported")]
    UnknownEncryption,
    #[error("its private key is an elliptic-curve key, but Entra accepts only RSA keys")]
    EllipticCurve,
    #[error("its private key is not an RSA key, but Entra accepts only RSA keys")]
    NotRsa,
    #[error("its RSA key is longer than 4096 bits, which is not supported")]
    TooLarge,
    #[error("its RSA key is shorter than 2048 bits, which is not safe")]
    TooSmall,
}

impl CertificateError {
    /// The next step for the user.
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::Unreadable => "use a .pem file with the private key and the certificate, or a .pfx file",
            Self::NoCertificate | Self::NoKey => {
                "put both into one file: cat key.pem certificate.pem > both.pem; export a .pfx with its private key"
            }
            Self::Mismatch => {
                "use the key and the certificate of the same renewal: a renewed certificate may have a new key"
            }
            Self::PasswordNeeded | Self::WrongPassword => {
                "pass the password in a file with --client-secret-password-file"
            }
            Self::OldEncryption | Self::UnknownEncryption => {
                "encrypt the key again: openssl pkcs8 -topk8 -in OLD -out NEW"
            }
            Self::EllipticCurve | Self::NotRsa | Self::TooLarge | Self::TooSmall => {
                "create a certificate with an RSA key of 2048 to 4096 bits and register it with the application"
            }
            Self::BrokenPem | Self::BrokenCertificate | Self::BrokenKey => return None,
        })
    }
}

/// Whether this is the content of a certificate file and not a client secret:
/// binary PKCS#12, PEM, or PKCS#12 in base64, which Key Vault returns.
pub fn looks_like_a_certificate(content: &[u8]) -> bool {
    is_pem(content) || pkcs12(content).is_some()
}

fn is_pem(content: &[u8]) -> bool {
    let mark = b"-----BEGIN ";
    content.windows(mark.len()).any(|window| window == mark)
}

/// The DER of a PKCS#12 file, binary or in base64. It begins with a sequence
/// whose length takes more than one byte.
fn pkcs12(content: &[u8]) -> Option<Vec<u8>> {
    let is_der = |bytes: &[u8]| matches!(bytes, [0x30, 0x80..=0x84, ..]);
    if is_der(content) {
        return Some(content.to_vec());
    }
    let text: Vec<u8> = content
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    // No client secret is as long as the shortest archive.
    let decoded = (text.len() > 512).then(|| BASE64_STANDARD.decode(text).ok())??;
    is_der(&decoded).then_some(decoded)
}

pub(crate) fn content(bytes: &[u8], password: Option<&SecretString>) -> Result<Content, CertificateError> {
    if is_pem(bytes) {
        pem(bytes, password)
    } else if let Some(der) = pkcs12(bytes) {
        archive(&der, password)
    } else {
        Err(CertificateError::Unreadable)
    }
}

fn archive(der: &[u8], password: Option<&SecretString>) -> Result<Content, CertificateError> {
    let word = password.map_or("", |password| password.expose_secret());
    let archive = Pkcs12Archive::from_pkcs12(der, word).map_err(|error| match error {
        Pkcs12Error::MacError(_) | Pkcs12Error::Pkcs5Error(_) | Pkcs12Error::UnpadError
            if password.is_none() =>
        {
            CertificateError::PasswordNeeded
        }
        Pkcs12Error::MacError(_) | Pkcs12Error::Pkcs5Error(_) | Pkcs12Error::UnpadError => {
            CertificateError::WrongPassword
        }
        Pkcs12Error::UnsupportedEncryptionScheme | Pkcs12Error::UnsupportedMacAlgorithm => {
            CertificateError::UnknownEncryption
        }
        _ => CertificateError::Unreadable,
    })?;
    Ok(Content {
        keys: archive
            .keys
            .iter()
            .map(|bag| from_pkcs8(bag.key.as_der()))
            .collect::<Result<_, _>>()?,
        certificates: archive
            .certs
            .iter()
            .map(|bag| bag.cert.as_der().to_vec())
            .collect(),
    })
}

fn pem(bytes: &[u8], password: Option<&SecretString>) -> Result<Content, CertificateError> {
    let mut content = Content {
        keys: Vec::new(),
        certificates: Vec::new(),
    };
    // The text between the sections may have any encoding.
    for section in sections(&String::from_utf8_lossy(bytes))? {
        match section.label.as_str() {
            "CERTIFICATE" | "X509 CERTIFICATE" => content.certificates.push(section.der),
            "PRIVATE KEY" => content.keys.push(from_pkcs8(&section.der)?),
            "RSA PRIVATE KEY" => content
                .keys
                .push(KeyPair::from_der(&section.der).map_err(rejected)?),
            "ENCRYPTED PRIVATE KEY" => content.keys.push(decrypted(&section.der, password)?),
            "EC PRIVATE KEY" => return Err(CertificateError::EllipticCurve),
            label if label.ends_with("PRIVATE KEY") => return Err(CertificateError::NotRsa),
            _ => {}
        }
    }
    Ok(content)
}

fn from_pkcs8(der: &[u8]) -> Result<KeyPair, CertificateError> {
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| CertificateError::BrokenKey)?;
    match info.algorithm.oid {
        RSA => KeyPair::from_pkcs8(der).map_err(rejected),
        EC => Err(CertificateError::EllipticCurve),
        _ => Err(CertificateError::NotRsa),
    }
}

fn decrypted(der: &[u8], password: Option<&SecretString>) -> Result<KeyPair, CertificateError> {
    let password = password.ok_or(CertificateError::PasswordNeeded)?;
    // The parameters of older schemes do not parse.
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| CertificateError::UnknownEncryption)?;
    let plain = info
        .decrypt(password.expose_secret().as_bytes())
        .map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(
                pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. } | pkcs8::pkcs5::Error::NoPbes1CryptSupport,
            ) => CertificateError::UnknownEncryption,
            // A wrong password leads to invalid padding or an invalid key.
            _ => CertificateError::WrongPassword,
        })?;
    from_pkcs8(plain.as_bytes())
}

/// ring gives the reason only as a word in the error's text.
fn rejected(error: ring::error::KeyRejected) -> CertificateError {
    match error.to_string().as_str() {
        "TooLarge" => CertificateError::TooLarge,
        "TooSmall" => CertificateError::TooSmall,
        _ => CertificateError::BrokenKey,
    }
}

struct Section {
    label: String,
    der: Vec<u8>,
}

fn sections(text: &str) -> Result<Vec<Section>, CertificateError> {
    let mut sections = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.strip_suffix("-----"))
        else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut body = String::new();
        loop {
            match lines.next() {
                None => return Err(CertificateError::BrokenPem),
                Some(line) if line == end => break,
                Some(line) if line.starts_with("Proc-Type:") && line.ends_with("ENCRYPTED") => {
                    return Err(CertificateError::OldEncryption);
                }
                Some(line) => body.push_str(line),
            }
        }
        sections.push(Section {
            label: label.to_owned(),
            der: BASE64_STANDARD
                .decode(body)
                .map_err(|_| CertificateError::BrokenPem)?,
        });
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_shows_whether_it_is_a_secret_or_a_certificate() {
        let base64 = BASE64_STANDARD.encode([&[0x30, 0x82, 4, 0], [7; 600].as_slice()].concat());
        for (content, is_certificate) in [
            (b"Bag Attributes\n-----BEGIN CERTIFICATE-----\n".as_slice(), true),
            (&[0x30, 0x82, 9, 9], true),
            (base64.as_bytes(), true),
            (b"0abc8Q~secret", false),
            (b"MIIsecret", false),
            (b"", false),
        ] {
            assert_eq!(looks_like_a_certificate(content), is_certificate, "{content:?}");
        }
    }

    #[test]
    fn each_unusable_file_has_its_error() {
        let error = |text: &str| content(text.as_bytes(), None).err();
        for (text, expected) in [
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", CertificateError::BrokenPem),
            (
                "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n",
                CertificateError::BrokenPem,
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
                CertificateError::OldEncryption,
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                CertificateError::PasswordNeeded,
            ),
            (
                "-----BEGIN PRIVATE KEY-----\r\nAAAA\r\n-----END PRIVATE KEY-----\r\n",
                CertificateError::BrokenKey,
            ),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
                CertificateError::NotRsa,
            ),
            ("neither", CertificateError::Unreadable),
        ] {
            assert_eq!(error(text), Some(expected), "{text}");
        }
    }
}
