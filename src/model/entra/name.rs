//! The names that are made for objects in Entra, each the same in every run.

use uuid::Uuid;

use crate::model::{GatewayId, shortened, stable_uuid};

/// The longest name of a federated credential (learn.microsoft.com, "Workload
/// identity federation considerations": 3 to 120 characters).
const LONGEST_FEDERATED: usize = 120;

/// The longest name of a client secret or a certificate that is made; Entra's own
/// limit is not documented.
const LONGEST_CREDENTIAL: usize = 100 - 1 - ATTEMPT;

/// The digits that distinguish the client secrets of one Secret.
const ATTEMPT: usize = 8;

/// The longest name of an object of Kubernetes.
const LONGEST_OBJECT: usize = 253;

/// The Secret for the credential of a workload.
pub fn default_secret(workload: &str) -> String {
    let kept = shortened(workload, LONGEST_OBJECT - "-entra".len() - "…".len());
    format!("{}-entra", kept.trim_end_matches(['…', '-', '.']))
}

/// The alternate key of an app that is made for a gateway. `name` is what the user
/// calls it. It contains no character that a URL or a filter would have to escape.
pub fn unique_name(name: &str, gateway: &GatewayId) -> String {
    format!("kubectl-apim-{}", stable_uuid(&[name, &gateway.path()]))
}

/// The subject of the tokens of a `ServiceAccount`.
pub fn subject(namespace: &str, service_account: &str) -> String {
    format!("system:serviceaccount:{namespace}:{service_account}")
}

/// The name of the federated credential of a subject. A slash at the end of the
/// issuer makes no difference, so that a credential without it is found and mended.
/// The subjects of two clusters have two names.
pub fn federated_name(issuer: &str, subject: &str) -> String {
    let id = stable_uuid(&[issuer.trim_end_matches('/'), subject])
        .simple()
        .to_string();
    let readable = subject.trim_start_matches("system:serviceaccount:");
    named("apim-", readable, '-', &id, LONGEST_FEDERATED)
}

/// The beginning of the names of client secrets and certificates.
const CREDENTIAL: &str = "kubectl-apim ";

/// The Secret in a namespace that a credential was made for, as far as the name of the
/// credential shows it.
pub fn secret_of_credential<'a>(name: &'a str, namespace: &str) -> Option<&'a str> {
    let (readable, _) = name.strip_prefix(CREDENTIAL)?.split_once(' ')?;
    readable.strip_prefix(namespace)?.strip_prefix('/')
}

/// The name of a client secret or a certificate of a Secret in `place`, which
/// identifies the namespace of one cluster. By it, a run finds what an interrupted
/// one has left, and leaves alone what another cluster uses.
pub fn credential_name(place: &str, namespace: &str, secret: &str) -> String {
    let id = stable_uuid(&[place, namespace, secret]).simple().to_string();
    named(
        CREDENTIAL,
        &format!("{namespace}/{secret}"),
        ' ',
        &id,
        LONGEST_CREDENTIAL,
    )
}

/// The name of one client secret among those of the same Secret, so that what an attempt
/// may have made without an answer is told apart from what pods use.
pub fn client_secret_name(credential_name: &str, attempt: Uuid) -> String {
    let id = attempt.simple().to_string();
    let digits: String = id.chars().take(ATTEMPT).collect();
    format!("{credential_name} {digits}")
}

/// Begins with a prefix, ends with the first digits of an id, and has in between
/// what there is room for of a readable part.
fn named(prefix: &str, readable: &str, separator: char, id: &str, longest: usize) -> String {
    let room = longest - prefix.len() - 1 - 12;
    let kept = readable.chars().take(room).map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() || letter == '-' => letter,
        '/' | '.' if separator == ' ' => letter,
        _ => '-',
    });
    let digits = id.chars().take(12);
    prefix
        .chars()
        .chain(kept)
        .chain([separator])
        .chain(digits)
        .collect()
}

/// Whether two issuers differ only in the slashes at their ends. AKS writes one,
/// and Entra compares to the letter.
pub fn is_same_but_slash(one: &str, other: &str) -> bool {
    one != other && one.trim_end_matches('/') == other.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ServiceId;

    fn gateway(name: &str) -> GatewayId {
        let service = ServiceId {
            subscription: "s".to_owned(),
            resource_group: "rg".to_owned(),
            name: "svc".to_owned(),
        };
        service.gateway(name)
    }

    #[test]
    fn an_app_is_known_by_its_name_and_its_gateway() {
        let name = unique_name("O'Brien", &gateway("a'; touch x #"));
        assert_eq!(name, unique_name("O'Brien", &gateway("A'; TOUCH x #")));
        assert_ne!(name, unique_name("O'Brien", &gateway("b")));
        assert_ne!(name, unique_name("Brien", &gateway("a'; touch x #")));
    }

    #[test]
    fn an_issuer_without_its_slash_has_the_same_name_and_another_issuer_has_not() {
        let subject = subject("shop", "gw");
        let name = federated_name("https://a.example/1/", &subject);
        assert_eq!(name, federated_name("https://a.example/1", &subject));
        assert_ne!(name, federated_name("https://a.example/2/", &subject));
        assert!(name.starts_with("apim-shop-gw-"), "{name}");
        assert!(is_same_but_slash("https://a/", "https://a"));
        assert!(!is_same_but_slash("https://a", "https://a"));
        assert!(!is_same_but_slash("https://a", "https://b"));
    }

    #[test]
    fn secrets_of_two_clusters_have_two_names() {
        let name = |place| credential_name(place, "shop", "gw-entra");
        assert_ne!(name("uid-1"), name("uid-2"));
        assert!(name("uid-1").starts_with("kubectl-apim shop/gw-entra "));
        assert_eq!(secret_of_credential(&name("uid-1"), "shop"), Some("gw-entra"));
        assert_eq!(secret_of_credential(&name("uid-1"), "sho"), None);
        let one = client_secret_name(&name("uid-1"), Uuid::from_u128(1 << 100));
        assert_eq!(secret_of_credential(&one, "shop"), Some("gw-entra"));
        assert_ne!(one, client_secret_name(&name("uid-1"), Uuid::from_u128(1 << 101)));
        let dotted = credential_name("uid-1", "shop", "gw.entra");
        assert_eq!(secret_of_credential(&dotted, "shop"), Some("gw.entra"));
    }

    proptest! {
        #[test]
        fn every_name_is_one_that_entra_takes(one in any::<String>(), other in any::<String>()) {
            let federated = federated_name(&one, &subject(&one, &other));
            prop_assert!((3..=LONGEST_FEDERATED).contains(&federated.len()));
            prop_assert!(federated.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it)));
            let app = unique_name(&one, &gateway(&other));
            prop_assert!(app.chars().all(|it| it.is_ascii_alphanumeric() || it == '-'));
            prop_assert!(credential_name(&one, &other, &one).len() <= LONGEST_CREDENTIAL);
        }
    }
}
