//! The mode that is chosen unasked.

use super::*;

#[test]
fn what_is_only_unknown_is_not_said_to_be_impossible() {
    let unknown = || Unavailable::Unknown("denied by a policy".to_owned());
    let said = |change: &dyn Fn(&mut EntraFacts)| {
        let error = setup(&changed(change), &request(), now()).unwrap_err();
        (error.to_string(), error.hints().join("; "))
    };
    let tries = "--mode workload-identity tries it";
    let changes: [&dyn Fn(&mut EntraFacts); 2] = [&|facts| facts.webhook = Err(unknown()), &|facts| {
        facts.issuer = Err(unknown());
    }];
    for change in changes {
        let (text, hints) = said(change);
        assert!(
            text.starts_with("whether the gateway can sign in by workload identity is not known: "),
            "{text}"
        );
        assert!(text.contains("denied by a policy"), "{text}");
        assert!(
            hints.contains(tries) && hints.contains("--mode app-secret"),
            "{hints}"
        );
        let asked = setup(&changed(change), &in_mode(Mode::WorkloadIdentity), now()).unwrap();
        assert!(refusal(&asked.steps).is_none());
    }
    // Without the right to rehearse a pod it is not tried either.
    let (text, hints) = said(&|facts| {
        facts.issuer = Err(unknown());
        facts.webhook = Err(Unavailable::Forbidden("cannot create pods".to_owned()));
    });
    assert!(
        text.contains("is not known") && text.contains("cannot create pods"),
        "{text}"
    );
    assert!(
        !hints.contains(tries) && hints.contains("kubectl auth can-i create pods"),
        "{hints}"
    );
    // What is certain counts more.
    let (text, hints) = said(&|facts| {
        facts.issuer = Err(unknown());
        facts.webhook = Ok(None);
    });
    assert!(
        text.starts_with("the gateway cannot sign in by workload identity: the webhook"),
        "{text}"
    );
    assert!(!hints.contains(tries), "{hints}");
    let (text, hints) = said(&|facts| {
        facts.webhook = Ok(None);
        facts.cluster.workload.as_mut().unwrap().skipped_by = Some("azure.workload.identity/skip-containers");
    });
    assert!(text.contains("leaves the container gw out"), "{text}");
    assert!(!hints.contains(tries), "{hints}");
}
