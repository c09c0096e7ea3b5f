//! The credential of a service principal: a secret or a certificate, from a
//! flag, a variable or a file.

use std::fmt;
use std::io::Read;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::azure::{Certificate, ClientCredential, looks_like_a_certificate};
use crate::cli::AzureArgs;
use crate::error::{Error, Result};
use crate::model::{Source, Sourced, in_words};
use crate::settings::typed::Typed;

/// A certificate that expires sooner than this causes a warning: this program
/// does not renew it.
const NOTICE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The client credential, if one was given, with its kind and its source.
pub(super) fn client_credential(
    args: &AzureArgs,
    typed: &Typed<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<(ClientCredential, String)>> {
    let Some(found) = find(args, typed, warnings)? else {
        if let Some(file) = &args.client_secret_password_file {
            return Err(Error::usage(format!(
                "--client-secret-password-file {} is given without a certificate",
                file.display()
            ))
            .hint("set the certificate with --client-secret-file"));
        }
        return Ok(None);
    };
    let Sourced { value, source } = found;
    Ok(Some(match value {
        Given::Secret(secret) => (
            ClientCredential::Secret(secret),
            format!("client secret in {source}"),
        ),
        Given::Certificate { file, content } => {
            let what = format!("certificate {file}");
            let credential = certificate(&what, &content, args, typed, warnings)?;
            (credential, format!("{what} in {source}"))
        }
    }))
}

/// A secret or a certificate as it is stored in a Secret: a secret without the
/// final line feed of an editor, a certificate as it is.
pub(in crate::settings) fn secret_to_store(file: &Path, source: &Source) -> Result<SecretSlice<u8>> {
    let content = read(file, source)?;
    if looks_like_a_certificate(&content) {
        Certificate::read(&content, None).map_err(|error| {
            let failed = Error::usage(format!("certificate {}: {error}", file.display()));
            error.hint().into_iter().fold(failed, Error::hint)
        })?;
        return Ok(content.into());
    }
    let secret = text(content, &format!("{source} {}", file.display()))?;
    Ok(secret.expose_secret().as_bytes().to_vec().into())
}

enum Given {
    Secret(SecretString),
    Certificate { file: String, content: Vec<u8> },
}

fn find(args: &AzureArgs, typed: &Typed<'_>, warnings: &mut Vec<String>) -> Result<Option<Sourced<Given>>> {
    if let Some(file) = &args.client_secret_file {
        let source = typed.flag_or_its_variable("client-secret-file");
        let content = read(file, &source)?;
        let found = if looks_like_a_certificate(&content) {
            Given::Certificate {
                file: file.display().to_string(),
                content,
            }
        } else {
            Given::Secret(text(content, &format!("{source} {}", file.display()))?)
        };
        return Ok(Some(Sourced::new(found, source)));
    }
    if let Some(secret) = &args.client_secret {
        let source = typed.flag_or_its_variable("client-secret");
        let found = secret_or_path(secret.clone(), &source)?;
        if matches!(found, Given::Secret(_)) && source == Source::Flag("client-secret".to_owned()) {
            warnings.push(
                "other users of this machine can read the client secret on the command line; use \
                 --client-secret-file or the variable KUBECTL_APIM_CLIENT_SECRET"
                    .to_owned(),
            );
        }
        return Ok(Some(Sourced::new(found, source)));
    }
    if let Some(found) = typed.variable(&["SP_SECRET", "AZURE_CLIENT_SECRET"]) {
        let secret = secret_or_path(SecretString::from(found.value), &found.source)?;
        return Ok(Some(Sourced::new(secret, found.source)));
    }
    let Some(path) = typed.variable(&["AZURE_CLIENT_CERTIFICATE_PATH"]) else {
        return Ok(None);
    };
    let content = read(Path::new(&path.value), &path.source)?;
    let found = Given::Certificate {
        file: path.value,
        content,
    };
    Ok(Some(Sourced::new(found, path.source)))
}

/// The script took the path of a certificate as well as a secret. A value that
/// looks like a path must not be sent to Entra as a secret by mistake. It is not
/// shown, because it may still be a secret.
fn secret_or_path(secret: SecretString, source: &Source) -> Result<Given> {
    let text = secret.expose_secret();
    if let Some(literal) = text.strip_prefix("literal:") {
        return Ok(Given::Secret(SecretString::from(literal)));
    }
    let looks_like_a_path =
        text.contains('/') || [".pem", ".pfx", ".p12"].iter().any(|end| text.ends_with(end));
    if !looks_like_a_path {
        return Ok(Given::Secret(secret));
    }
    let path = Path::new(text);
    // The pipe of a process substitution is not a regular file.
    if !path.exists() || path.is_dir() {
        return Err(Error::usage(format!(
            "the client secret of {source} looks like the path of a certificate, but there is no such file"
        ))
        .hint("if it is a secret, put literal: before it"));
    }
    Ok(Given::Certificate {
        file: text.to_owned(),
        content: read(path, source)?,
    })
}

fn certificate(
    what: &str,
    content: &[u8],
    args: &AzureArgs,
    typed: &Typed<'_>,
    warnings: &mut Vec<String>,
) -> Result<ClientCredential> {
    let password = match &args.client_secret_password_file {
        Some(file) => {
            let source = typed.flag_or_its_variable("client-secret-password-file");
            let content = read(file, &source)?;
            Some(text(content, &format!("{source} {}", file.display()))?)
        }
        None => typed
            .environment
            .get("AZURE_CLIENT_CERTIFICATE_PASSWORD")
            .map(SecretString::from),
    };
    let certificate = Certificate::read(content, password.as_ref()).map_err(|error| {
        let failed = Error::usage(format!("{what}: {error}"));
        error.hint().into_iter().fold(failed, Error::hint)
    })?;
    #[expect(
        clippy::disallowed_methods,
        reason = "only for a warning: Entra decides, and this clock may be wrong"
    )]
    let left = certificate.not_after().duration_since(Timestamp::now());
    let date = certificate.not_after().strftime("%F");
    if left.is_negative() {
        warnings.push(format!(
            "{what} expired on {date}, {} ago; Entra refuses it",
            in_words(left)
        ));
    } else if left < NOTICE {
        warnings.push(format!(
            "{what} expires on {date}, in {}; renew it",
            in_words(left)
        ));
    }
    let send_chain = typed.environment.get("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN");
    Ok(ClientCredential::Certificate {
        certificate,
        send_chain: send_chain.is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true")),
    })
}

fn read(file: &Path, source: &Source) -> Result<Vec<u8>> {
    let read = if file == Path::new("-") {
        let mut content = Vec::new();
        std::io::stdin().read_to_end(&mut content).map(|_| content)
    } else {
        std::fs::read(file)
    };
    read.map_err(|error| {
        Error::usage(format!("cannot read {source} {}: {error}", file.display())).caused_by(error)
    })
}

fn text(content: Vec<u8>, name: &dyn fmt::Display) -> Result<SecretString> {
    let text = String::from_utf8(content)
        .map_err(|_| Error::usage(format!("{name} contains neither text nor a certificate")))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Error::usage(format!("{name} is empty")));
    }
    Ok(SecretString::from(secret))
}
