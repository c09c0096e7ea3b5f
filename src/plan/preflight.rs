use super::Policy;
use crate::error::{Error, Result};
use crate::model::{Credential, Replacement, Snapshot, TokenError, WorkloadFacts};

/// Refuses what a rotation must not or cannot change, before anything is minted
/// or written. Returns warnings about side effects of what it may change.
pub fn preflight(snapshot: &Snapshot, policy: &Policy) -> Result<Vec<String>> {
    let secret = &snapshot.secret;
    let name = format!(
        "secret/{} in namespace {}",
        secret.version.name, snapshot.namespace
    );
    if secret.immutable {
        return Err(
            Error::refused(format!("{name} is immutable, so its token can never be replaced")).hint(
                "create a Secret without `immutable: true`, and refer to it in the workload's pod spec",
            ),
        );
    }
    match secret.credential {
        Credential::Token { .. } | Credential::Unusable(TokenError::Empty) => {}
        Credential::Unusable(reason) => {
            let next = match reason {
                TokenError::Entra => "set up or renew its sign-in instead: kubectl apim entra setup --help",
                _ => "if this key should hold the gateway's token, empty it and run the same command again",
            };
            return Err(Error::refused(format!(
                "the value under `{}` of {name} is not replaced, because {reason}",
                secret.key
            ))
            .hint(next));
        }
    }
    let mut warnings = Vec::new();
    if let Some(owner) = &secret.owner {
        if !policy.adopt {
            return Err(Error::refused(format!(
                "{name} belongs to {}, which would undo the rotation",
                owner.name
            ))
            .hint(owner.instead.as_str())
            .hint("or take over the Secret with --adopt"));
        }
        warnings.push(format!(
            "{name} belongs to {}, which may restore the previous token; {}",
            owner.name, owner.instead
        ));
    }
    if !policy.restarts() {
        return Ok(warnings);
    }
    for facts in &snapshot.workloads {
        warnings.extend(restart_warning(facts, &snapshot.namespace)?);
        warnings.extend(owner_warning(facts));
    }
    Ok(warnings)
}

/// Refuses a workload that cannot be restarted, or warns of the side effects of
/// its restart.
fn restart_warning(facts: &WorkloadFacts, namespace: &str) -> Result<Option<String>> {
    let workload = &facts.version.workload;
    if facts.paused {
        return Err(Error::refused(format!(
            "{workload} is paused, so its pods would keep the previous token until it expires"
        ))
        .hint(format!(
            "resume it first: kubectl -n {namespace} rollout resume {workload}"
        ))
        .hint("or only write the token, with --no-restart"));
    }
    Ok(match &facts.replacement {
        Replacement::Rolling => None,
        Replacement::Interrupting(why) => Some(format!("{workload} is interrupted by its restart: {why}")),
        Replacement::ByHand(why) => Some(format!(
            "{workload} keeps pods with the previous token until somebody deletes them, because of {why}"
        )),
    })
}

/// An operator that owns the workload may take the annotations of the restart
/// away again, which starts the pods once more.
fn owner_warning(facts: &WorkloadFacts) -> Option<String> {
    let workload = &facts.version.workload;
    let owner = facts.owner.as_ref()?;
    Some(format!(
        "{workload} is controlled by {owner}, which may remove the annotations of the restart and so restart the \
         pods again"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{owned, policy, snapshot};
    use super::*;
    use crate::error::Kind;
    use crate::plan::FollowUp;

    fn refusal(change: impl Fn(&mut Snapshot)) -> String {
        let mut snapshot = snapshot();
        change(&mut snapshot);
        let error = preflight(&snapshot, &policy()).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(!error.hints().is_empty());
        error.to_string()
    }

    #[test]
    fn a_plain_gateway_passes_without_a_warning() {
        assert_eq!(preflight(&snapshot(), &policy()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_secret_or_workload_that_must_not_change_is_refused() {
        assert!(refusal(|snapshot| snapshot.secret.immutable = true).contains("immutable"));
        assert!(refusal(|snapshot| snapshot.secret.owner = Some(owned())).contains("Helm"));
        assert!(
            refusal(|snapshot| snapshot.workloads[0].paused = true).contains("deployment.apps/gw is paused")
        );
        assert!(
            refusal(|snapshot| snapshot.secret.credential = Credential::Unusable(TokenError::NotAToken))
                .contains("it is not a gateway token")
        );
    }

    /// An empty key would end the sign-in of the gateway.
    #[test]
    fn nobody_is_told_to_empty_what_says_how_a_gateway_signs_in() {
        let mut snapshot = snapshot();
        snapshot.secret.credential = Credential::Unusable(TokenError::Entra);
        let error = preflight(&snapshot, &policy()).unwrap_err();
        assert_eq!(error.hints().len(), 1);
        assert!(error.hints()[0].contains("entra setup"), "{:?}", error.hints());
    }

    #[test]
    fn an_empty_key_may_be_filled() {
        let mut snapshot = snapshot();
        snapshot.secret.credential = Credential::Unusable(TokenError::Empty);
        assert!(preflight(&snapshot, &policy()).is_ok());
    }

    #[test]
    fn adopting_and_recreating_warn() {
        let mut snapshot = snapshot();
        snapshot.secret.owner = Some(owned());
        snapshot.workloads[0].replacement = Replacement::Interrupting("it is recreated");
        let warnings = preflight(
            &snapshot,
            &Policy {
                adopt: true,
                ..policy()
            },
        )
        .unwrap();
        assert_eq!(warnings.len(), 2);
    }

    #[test]
    fn the_owner_of_a_workload_is_named() {
        let mut snapshot = snapshot();
        snapshot.workloads[0].owner = Some("Gateway shop".to_owned());
        let warnings = preflight(&snapshot, &policy()).unwrap();
        assert!(
            warnings[0].starts_with("deployment.apps/gw is controlled by Gateway shop"),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_paused_workload_does_not_matter_when_nothing_restarts() {
        let mut snapshot = snapshot();
        snapshot.workloads[0].paused = true;
        assert!(
            preflight(
                &snapshot,
                &Policy {
                    follow_up: FollowUp::Nothing,
                    ..policy()
                }
            )
            .is_ok()
        );
    }
}
