//! The printed scripts.

use super::*;
use crate::model::entra::SignsIn;

#[test]
fn the_script_makes_what_the_plan_makes() {
    for (mode, command) in [
        (
            Mode::WorkloadIdentity,
            "az ad app federated-credential create --id \"$APP_ID\"",
        ),
        (
            Mode::AppCertificate,
            "az ad app credential reset --id \"$APP_ID\" --append",
        ),
        (
            Mode::AppSecret,
            "az ad app credential reset --id \"$APP_ID\" --append",
        ),
    ] {
        let text = script(&facts(), &plan_of(&facts(), mode, "gw"));
        assert!(text.contains(command), "{text}");
        assert!(text.contains("--assignee-object-id \"$PRINCIPAL_ID\""), "{text}");
        assert!(
            !text.contains(":?"),
            "each variable is set before it is used: {text}"
        );
        // az drops inner keys in upper case.
        assert!(text.contains("\"dataActions\"") && !text.contains("\"DataActions\""));
    }
}

/// Who may not read apps gets the client id and the next command from the script.
#[test]
fn the_script_ends_with_the_client_id_of_a_new_app() {
    let plan = plan_of(&facts(), Mode::WorkloadIdentity, "gw");
    let text = script(&facts(), &plan);
    let end = text.split_once("# The one who asked").unwrap().1;
    let line = format!("set -eu; APP_ID=some-id\n#{end}");
    let shell = std::process::Command::new("sh").args(["-c", &line]).output();
    let printed = String::from_utf8(shell.unwrap().stdout).unwrap();
    assert_eq!(
        printed,
        "The client id of the app: some-id\nNext: kubectl apim entra setup -g 'O'\\''Brien $(id)' --app some-id\n"
    );
    let done = after(facts(), &plan);
    let later = script(&done, &plan_of(&done, Mode::WorkloadIdentity, "gw"));
    assert!(!later.contains("Next:"), "{later}");
}

#[test]
fn undo_removes_what_was_made_and_keeps_a_role_in_use() {
    let plan = plan_of(&facts(), Mode::WorkloadIdentity, "gw");
    let mut done = after(facts(), &plan);
    let undo = |facts: &EntraFacts| undo_script(facts, &request(), &CLUSTER);
    let id = done.reader.definitions.as_ref().unwrap()[0].id;
    done.reader.in_use.insert(id, Ok(1));
    let text = undo(&done);
    assert_eq!(text.matches("az role assignment delete").count(), 2, "{text}");
    assert!(
        text.contains(&format!("--name {id}")) && text.contains("az ad app delete"),
        "{text}"
    );
    done.reader.in_use.insert(id, Ok(2));
    assert!(!undo(&done).contains(&format!("--name {id}")));
    assert_eq!(undo(&facts()).matches("az ").count(), 0);
}

#[test]
fn undo_keeps_what_another_gateway_uses() {
    let plan = plan_of(&facts(), Mode::WorkloadIdentity, "gw");
    let mut done = after(facts(), &plan);
    let id = done.reader.definitions.as_ref().unwrap()[0].id;
    done.reader.in_use.insert(id, Ok(1));
    let app = done.app.as_mut().unwrap().as_mut().unwrap();
    let mut other = app.federated.as_ref().unwrap()[0].clone();
    let own = other.name.clone();
    other.name = "apim-shop-other-1".to_owned();
    other.subject = "system:serviceaccount:shop:other".to_owned();
    app.federated.as_mut().unwrap().push(other);
    let text = undo_script(&done, &request(), &CLUSTER);
    assert!(
        !text.contains("az ad app delete") && !text.contains("az role"),
        "{text}"
    );
    assert!(
        !text.contains("apim-shop-other-1") && text.contains(&own),
        "{text}"
    );
}

#[test]
fn the_script_writes_to_the_cluster_that_it_names() {
    for mode in [Mode::AppSecret, Mode::AppCertificate] {
        let text = script(&facts(), &plan_of(&facts(), mode, "gw"));
        let named = "# In the cluster: context shop of ~/.kube/config (https://shop:6443).\n";
        assert!(text.contains(named), "{text}");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("kubectl -")).collect();
        let of_context = |line: &&str| line.contains("kubectl --context \"$KUBE_CONTEXT\" -n ");
        assert!(lines.len() == 3 && lines.iter().all(of_context), "{text}");
        let [chosen, made] =
            ["KUBE_CONTEXT='shop'", "az ad app credential reset"].map(|part| text.find(part));
        assert!(
            chosen.unwrap() < made.unwrap(),
            "before something is made: {text}"
        );
    }
    let plan = plan_of(&facts(), Mode::AppSecret, "gw");
    let facts = facts();
    let target = ScriptTarget {
        cluster: ScriptCluster {
            context: None,
            ..CLUSTER
        },
        ..target(&facts)
    };
    assert!(az_script(&target, &plan).contains(": \"${KUBE_CONTEXT:?}\""));
    let text = script(&facts, &plan_of(&facts, Mode::WorkloadIdentity, "gw"));
    assert!(!text.contains("kubectl -"), "it writes to no cluster: {text}");
}

/// The Azure CLI refuses a second federated credential of the same name.
#[test]
fn a_federated_credential_is_created_once_by_several_runs() {
    let text = script(&facts(), &plan_of(&facts(), Mode::WorkloadIdentity, "gw"));
    let block = text
        .split_once("# What trusts")
        .unwrap()
        .1
        .split("\n\n")
        .next()
        .unwrap();
    let az = r#"az() { case "$*" in *' list '*) cat made ;; *) echo created | tee made ;; esac; }"#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("made"), "").unwrap();
    let runs = [(); 2].map(|()| {
        let line = format!("set -eu; APP_ID=id\n{az}\n#{block}");
        let mut shell = std::process::Command::new("sh");
        let ended = shell.args(["-c", &line]).current_dir(&folder).output().unwrap();
        assert!(ended.status.success(), "{block}");
        String::from_utf8(ended.stdout).unwrap()
    });
    assert_eq!(runs, ["created\n", ""], "{block}");
}

#[test]
fn undo_names_what_stays_in_the_cluster() {
    for (mode, commands) in [
        (
            Mode::WorkloadIdentity,
            &[
                "set env deployment/gw -c gw config.service.auth-",
                "patch deployment/gw --type json -p '[{\"op\":\"remove\",\"path\":\"/spec/template/metadata/labels/azure.workload.identity~1use\"}]'",
                "annotate serviceaccount gw azure.workload.identity/client-id-",
            ][..],
        ),
        (
            Mode::AppSecret,
            &[
                "config.service.auth.azureAd.tenantId- config.service.auth.azureAd.clientId- config.service.auth.azureAd.clientSecret-",
                "delete secret gw-entra",
            ],
        ),
    ] {
        let mut done = after(facts(), &plan_of(&facts(), mode, "gw"));
        done.cluster.workload.as_mut().unwrap().signs_in = Ok(SignsIn::By(mode));
        let text = undo_script(&done, &request(), &CLUSTER);
        let (_, cluster) = text
            .split_once("# What stays in the cluster, context shop")
            .unwrap();
        for command in commands {
            assert!(cluster.contains(command), "{command} is not in {cluster}");
        }
        assert!(
            cluster
                .lines()
                .skip(1)
                .all(|line| line.starts_with("# kubectl -n shop ")),
            "{cluster}"
        );
    }
    assert!(!undo_script(&facts(), &request(), &CLUSTER).contains("kubectl"));
}
