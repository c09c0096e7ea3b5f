use super::Error;
use crate::retry::Decision;

/// Why Microsoft Graph refused a request, as far as the product reacts to it.
/// The codes are those of recordings and of public reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphRefusal {
    /// The identity lacks a right in the directory.
    Denied,
    /// What was made just before has not arrived everywhere yet, or does not
    /// exist: Graph gives the same answer.
    NotReplicated,
    /// A policy of the tenant forbids this kind of credential.
    CredentialType,
    /// A policy of the tenant allows no credential of that lifetime.
    CredentialLifetime,
    /// Another object has the same unique value.
    Duplicate,
}

/// The reason of a refusal by Graph; `None` for all others.
pub fn graph_refusal(error: &Error) -> Option<GraphRefusal> {
    let refusal = error.refusal()?;
    // Graph gives this instead of NoBackingApplicationObject to whoever may
    // change only their own apps: an app that it does not see yet is not theirs.
    let is_foreign =
        refusal.message.contains("backing application") && refusal.message.contains("local tenant");
    Some(match refusal.status {
        _ if error.has_code("CredentialTypeNotAllowedAsPerAppPolicy") => GraphRefusal::CredentialType,
        _ if error.has_code("CredentialInvalidLifetimeAsPerAppPolicy") => GraphRefusal::CredentialLifetime,
        _ if error.has_code("NoBackingApplicationObject") => GraphRefusal::NotReplicated,
        403 if is_foreign => GraphRefusal::NotReplicated,
        403 => GraphRefusal::Denied,
        404 => GraphRefusal::NotReplicated,
        409 => GraphRefusal::Duplicate,
        _ => return None,
    })
}

/// For a request that may be carried out twice and whose object was made just
/// before.
pub(super) fn once_replicated(error: &Error) -> Decision {
    match graph_refusal(error) {
        Some(GraphRefusal::NotReplicated) => Decision::Retry,
        _ => error.retry_decision(),
    }
}

/// For a request that must not be carried out twice and whose object was made
/// just before.
pub(super) fn only_once(error: &Error) -> Decision {
    match graph_refusal(error) {
        Some(GraphRefusal::NotReplicated) => Decision::Retry,
        _ => error.retry_decision_once(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::transport::error::Refusal;

    fn error(status: u16, code: &str, reason: Option<&str>, message: &str) -> Error {
        let refusal = Box::new(Refusal {
            purpose: "create a service principal".into(),
            request: "POST /v1.0/servicePrincipals".into(),
            status,
            code: Some(code.into()),
            reason: reason.map(Into::into),
            message: message.into(),
            correlation: "c".into(),
            retry_after: None,
            challenge: None,
        });
        Error::Status { refusal }
    }

    #[test]
    fn a_missing_right_is_told_apart_from_replication() {
        let denied = error(
            403,
            "Authorization_RequestDenied",
            None,
            "Insufficient privileges to complete the operation.",
        );
        let early = error(
            403,
            "Authorization_RequestDenied",
            None,
            "When using this permission, the backing application of the service principal being created must in \
             the local tenant",
        );
        let unknown = error(
            400,
            "Request_BadRequest",
            Some("NoBackingApplicationObject"),
            "The appId 'a' of the service principal does not reference a valid application object.",
        );
        assert_eq!(graph_refusal(&denied), Some(GraphRefusal::Denied));
        assert_eq!(once_replicated(&denied), Decision::Stop);
        for early in [early, unknown] {
            assert_eq!(graph_refusal(&early), Some(GraphRefusal::NotReplicated));
            assert_eq!(once_replicated(&early), Decision::Retry);
            assert_eq!(only_once(&early), Decision::Retry);
        }
        assert!(denied.hint().unwrap().contains("Application.ReadWrite.OwnedBy"));
    }

    #[test]
    fn refusals_by_policy_are_final_and_have_a_next_step() {
        for (code, expected, hint) in [
            (
                "CredentialTypeNotAllowedAsPerAppPolicy",
                GraphRefusal::CredentialType,
                "--mode workload-identity",
            ),
            (
                "CredentialInvalidLifetimeAsPerAppPolicy",
                GraphRefusal::CredentialLifetime,
                "--secret-lifetime",
            ),
        ] {
            for error in [
                error(400, code, None, "m"),
                error(403, "Request_BadRequest", Some(code), "m"),
            ] {
                assert_eq!(graph_refusal(&error), Some(expected), "{error}");
                assert_eq!(only_once(&error), Decision::Stop);
            }
            assert!(error(400, code, None, "m").hint().unwrap().contains(hint));
        }
        assert_eq!(graph_refusal(&error(400, "Request_BadRequest", None, "m")), None);
    }
}
