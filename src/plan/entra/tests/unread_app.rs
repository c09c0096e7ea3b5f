//! A caller who may not read apps.

use super::*;

#[test]
fn the_answer_of_graph_is_shown_once() {
    let answer = "Azure answered 403 Authorization_RequestDenied";
    for mode in Mode::ALL {
        let facts = changed(|facts| facts.app = Err(Unavailable::Forbidden(answer.to_owned())));
        let plan = plan(&facts, &in_mode(mode));
        let with_answer = plan.steps.iter().filter(|step| step.text.contains(answer));
        assert_eq!(with_answer.count(), 1, "{:?}", plan.steps);
        for part in [Part::ServicePrincipal, Part::ReaderAssignment, Part::Credential] {
            let step = step(&plan, part);
            assert!(
                step.text.ends_with(": it needs the app, which you may not read"),
                "{}",
                step.text
            );
            assert!(
                step.left_to_others().is_some(),
                "{part:?} is in the script for others"
            );
        }
    }
}

#[test]
fn another_mode_is_proposed_without_the_flag_that_it_refuses() {
    let facts = changed(|facts| facts.webhook = Ok(None));
    for (account, without) in [(None, false), (Some("gw".to_owned()), true)] {
        let request = SetupRequest {
            service_account: account,
            ..request()
        };
        let hints = setup(&facts, &request, now()).unwrap_err().hints().concat();
        assert!(hints.contains("--mode app-secret"), "{hints}");
        assert_eq!(hints.contains("without --service-account"), without, "{hints}");
    }
}
