//! Every form of what is printed, as files in `tests/it/golden`. None of these
//! runs has a cluster or an Azure.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::bicep;
use crate::documents::is_current;

const SUBSCRIPTION: &str = "11111111-2222-3333-4444-555555555555";
const EXISTING: &str = "/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/\
                        roleDefinitions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const PRINCIPAL: &str = "99999999-8888-7777-6666-555555555555";

/// What is printed, without a warning.
fn printed(arguments: &[&str]) -> String {
    let (text, complaint) = printed_with_warnings(arguments);
    assert_eq!(complaint, "");
    text
}

/// Runs with an environment that holds nothing.
fn printed_with_warnings(arguments: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-apim"))
        .arg("render-rbac")
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let complaint = text(output.stderr);
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    (text(output.stdout), complaint)
}

pub(super) fn is_kept(file: &str, fresh: &str) {
    is_current(&format!("tests/it/golden/{file}"), fresh, "render_rbac");
}

#[test]
fn kubernetes() {
    let arguments = ["deployment/gw", "-n", "shop", "--token-secret", "gw-token"];
    let several = [
        "deploy/gw",
        "sts/eu",
        "ds/edge",
        "-n",
        "shop",
        "--token-secret",
        "gw-token",
        "--token-secret",
        "eu-token",
        "--name",
        "rotator",
        "--prove",
        "logs",
        "--events",
    ];
    let policy = [&arguments[..], &["--secret-key", "value", "--admission-policy"]].concat();
    let everywhere = ["--scope", "cluster", "-n", "ops", "--prove", "logs", "--events"];
    for (file, line) in [
        ("role.yaml", &arguments[..]),
        ("role-options.yaml", &several),
        ("admission-policy.yaml", &policy),
    ] {
        is_kept(file, &printed(line));
    }
    let with_policy = [&everywhere[..], &["--admission-policy"]].concat();
    for (file, line) in [
        ("cluster-role.yaml", &everywhere[..]),
        ("cluster-admission-policy.yaml", &with_policy),
    ] {
        let (text, warning) = printed_with_warnings(line);
        is_kept(file, &text);
        for part in ["every Secret", "in effect is cluster-admin", "--gateways FILE"] {
            assert!(warning.contains(part), "{warning}");
        }
    }
}

#[test]
fn azure() {
    let place = ["-s", SUBSCRIPTION, "-r", "rg-apim", "-a", "contoso", "-g", "gw"];
    for (form, extension) in [
        ("json", "json"),
        ("bicep", "bicep"),
        ("terraform", "tf"),
        ("az", "sh"),
    ] {
        for (name, more) in [
            ("token-operator", &[][..]),
            (
                "token-operator-for-discovery",
                &["--principal-id", PRINCIPAL, "--for-discovery"],
            ),
            ("config-validator", &["--role", "config-validator"]),
            ("config-reader", &["--role", "config-reader"]),
            ("token-operator-several", &["-g", "gw-eu", "-g", "GW"]),
            (
                "token-operator-existing",
                &["-g", "gw-eu", "--role-definition-id", EXISTING],
            ),
        ] {
            let text = printed(&[&["--azure", form], &place[..], more].concat());
            if form == "json" {
                serde_json::from_str::<Value>(&text).unwrap();
            }
            is_kept(&format!("{name}.{extension}"), &text);
        }
    }
}

/// The two forms that Azure deploys declare the same.
#[test]
fn bicep_and_the_template_agree() {
    for odd in ["gw", "it's ${odd} gw"] {
        let place = ["-s", SUBSCRIPTION, "-r", "rg-apim", "-a", "contoso", "-g", odd];
        for more in [
            &["--for-discovery"][..],
            &["--role", "config-validator"],
            &["--role", "config-reader"],
            &["--role-definition-id", EXISTING],
        ] {
            let line = |form| [&["--azure", form, "--principal-id", PRINCIPAL], &place[..], more].concat();
            let template: Value = serde_json::from_str(&printed(&line("json"))).unwrap();
            let mut wanted = template["resources"].as_array().unwrap().clone();
            wanted.iter_mut().for_each(without_comments);
            assert_eq!(of_bicep(&printed(&line("bicep"))), wanted, "{more:?}");
        }
    }
}

/// The resources of a Bicep file, as a template has them.
fn of_bicep(text: &str) -> Vec<Value> {
    let all = bicep::read(text);
    let id_of = |symbol: &Value| {
        let declared = all.iter().find(|it| *symbol == it.symbol).unwrap();
        let name = declared.body["name"].as_str().unwrap();
        format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{name}")
    };
    let resource = |declared: &bicep::Declared| {
        let (kind, version) = declared.kind.split_once('@').unwrap();
        let mut body = declared.body.clone();
        (body["type"], body["apiVersion"]) = (kind.into(), version.into());
        let inner = body
            .pointer_mut("/properties/template/resources")
            .and_then(Value::as_array_mut);
        for resource in inner.into_iter().flatten() {
            let role = &mut resource["properties"]["roleDefinitionId"];
            if role.is_object() {
                *role = id_of(&role["idOf"]).into();
            }
        }
        body
    };
    all.iter().map(resource).collect()
}

/// Drops what Bicep has as comments, and as references from one resource to another.
fn without_comments(resource: &mut Value) {
    let fields = resource.as_object_mut().unwrap();
    fields.retain(|name, _| !["comments", "dependsOn"].contains(&name.as_str()));
    let inner = resource
        .pointer_mut("/properties/template/resources")
        .and_then(Value::as_array_mut);
    inner.into_iter().flatten().for_each(without_comments);
}

/// The shell has the last word about its own quotes.
#[test]
fn the_shell_takes_the_script() {
    let odd = "it's $(odd) \"`gw`\"";
    let place = ["-s", SUBSCRIPTION, "-r", "rg-apim", "-a", "contoso", "-g", odd];
    let script = printed(&[&["--azure", "az"], &place[..]].concat());
    let scratch = tempfile::tempdir().unwrap();
    let az = scratch.path().join("az");
    let shows_its_words = "#!/bin/sh\nfor word; do printf '<%s>' \"$word\"; done; echo\n";
    std::fs::write(&az, shows_its_words).unwrap();
    std::fs::set_permissions(&az, PermissionsExt::from_mode(0o755)).unwrap();
    let run = |principal: Option<&str>| {
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", scratch.path().display()))
            .envs(principal.map(|id| ("PRINCIPAL_ID", id)));
        command.output().unwrap()
    };
    assert!(!run(None).status.success(), "the principal must be named");
    let ran = run(Some(PRINCIPAL));
    assert!(ran.status.success());
    let calls = String::from_utf8(ran.stdout).unwrap();
    let scope = format!(
        "<--scope></subscriptions/{SUBSCRIPTION}/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/\
         contoso/gateways/{odd}>"
    );
    assert!(calls.contains(&scope), "{calls}");
    let principal = format!("<--assignee-object-id><{PRINCIPAL}>");
    assert!(calls.contains(&principal), "{calls}");
}
