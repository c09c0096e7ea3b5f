//! The limits of federated credentials, which applications and managed identities share.

use super::directory::FederatedIdentityCredential;

/// How many an application or identity may have.
pub(super) const MOST: usize = 20;

const LONGEST: usize = 600;

/// Why a federated credential is refused.
pub(super) enum Refusal {
    /// The issuer, the subject or the audience is empty.
    Missing,
    /// What is wrong with a value of it.
    Invalid(String),
    TooMany,
    SameName,
    SameSubject,
}

/// Checks a credential that is to stand beside `others`; the wording of what is wrong with a value is ours.
pub(super) fn check(
    credential: &FederatedIdentityCredential,
    others: &[FederatedIdentityCredential],
) -> Result<(), Refusal> {
    let name = &credential.name;
    let mut characters = name.chars();
    let is_name = (3..=120).contains(&name.len())
        && characters
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && characters.all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '_');
    if !is_name {
        return Err(Refusal::Invalid(format!(
            "The name '{name}' is invalid: 3 to 120 letters, digits, hyphens and underscores, the first a letter or a \
             digit."
        )));
    }
    let [audience] = credential.audiences.as_slice() else {
        return Err(Refusal::Invalid(
            "Audiences must contain exactly one value.".to_owned(),
        ));
    };
    let values = [
        ("issuer", &credential.issuer),
        ("subject", &credential.subject),
        ("audience", audience),
    ];
    for (field, value) in values {
        if value.is_empty() {
            return Err(Refusal::Missing);
        }
        if value.len() > LONGEST {
            let message = format!("The {field} must have up to {LONGEST} characters.");
            return Err(Refusal::Invalid(message));
        }
    }
    if !credential.issuer.starts_with("https://") {
        return Err(Refusal::Invalid("The issuer must be an HTTPS URL.".to_owned()));
    }
    if others.iter().any(|it| it.name.eq_ignore_ascii_case(name)) {
        return Err(Refusal::SameName);
    }
    if others
        .iter()
        .any(|it| it.issuer == credential.issuer && it.subject == credential.subject)
    {
        return Err(Refusal::SameSubject);
    }
    if others.len() >= MOST {
        return Err(Refusal::TooMany);
    }
    Ok(())
}
