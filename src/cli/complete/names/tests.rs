use std::sync::Mutex;

use super::*;
use crate::cli::complete::answer;

const GATEWAYS: [&str; 3] = ["deployment/gw", "deployment/edge", "statefulset/gw"];

/// What was asked for a line, with its context and namespace, and what was
/// offered.
fn completed(line: &str) -> (Option<(Wanted, String)>, Vec<String>) {
    let asked = Arc::new(Mutex::new(None));
    let log = asked.clone();
    let names: Names = Arc::new(move |wanted, kube: KubeArgs| {
        let place = [kube.context, kube.namespace].map(Option::unwrap_or_default);
        *log.lock().unwrap() = Some((wanted, place.join("/")));
        let of_kind = |name: &&str| match wanted {
            Wanted::Gateways(Some(kind)) => {
                WorkloadKind::parse(name.split('/').next().unwrap()) == Some(kind)
            }
            _ => true,
        };
        let gateways = GATEWAYS.iter().copied().filter(of_kind).map(str::to_owned);
        match wanted {
            Wanted::Gateways(_) => gateways.collect(),
            _ => ["one", "other", "o\n:0", "o\u{1b}[2J"]
                .map(str::to_owned)
                .to_vec(),
        }
    });
    let words = ["kubectl_complete-apim"].into_iter().chain(line.split(' '));
    let words: Vec<OsString> = words.map(OsString::from).collect();
    let text = answer(&words, None, || names).unwrap();
    let mut offered: Vec<String> = text.lines().map(str::to_owned).collect();
    offered.retain(|line| !line.starts_with(':'));
    let asked = asked.lock().unwrap().take();
    (asked, offered)
}

#[test]
fn a_workload_is_completed_in_the_form_in_which_it_is_typed() {
    for (line, offered) in [
        ("rotate ", &GATEWAYS[..]),
        ("rotate dep", &["deployment/gw", "deployment/edge"]),
        ("rotate deploy/", &["deploy/gw", "deploy/edge"]),
        ("rotate sts/g", &["sts/gw"]),
        ("rotate e", &["edge"]),
        ("rotate deployment ", &["gw", "edge"]),
        ("rotate deployment gw e", &["edge"]),
        ("rotate deployment/gw deployment/", &["deployment/edge"]),
        ("rotate pod/", &[]),
        ("status --k8s-object ", &[]),
        ("rotate --k8s-object ", &GATEWAYS),
        ("rotate --k8s-object=sts/", &["--k8s-object=sts/gw"]),
        ("rotate --k8s-object g", &[]),
        ("entra setup sts ", &["gw"]),
        ("render-rbac s", &["statefulset/gw"]),
        ("install-cronjob --dry-run client stat", &["statefulset/gw"]),
    ] {
        assert_eq!(completed(line).1, offered, "{line}");
    }
}

#[test]
fn the_source_is_told_what_is_wanted_and_where() {
    let deployments = Wanted::Gateways(Some(WorkloadKind::Deployment));
    for (line, wanted, place) in [
        ("-n ", Wanted::Namespaces, "/"),
        ("rotate --context a -n o", Wanted::Namespaces, "a/o"),
        ("status --context ", Wanted::Contexts, "/"),
        ("rotate --contexts one,", Wanted::Contexts, "/"),
        ("--cluster ", Wanted::Clusters, "/"),
        ("version --user ", Wanted::Users, "/"),
        ("--context=a rotate -nb -t ", Wanted::Secrets, "a/b"),
        ("entra --context a setup --secret ", Wanted::Secrets, "a/"),
        ("render-rbac --secret-key k -t ", Wanted::Secrets, "/"),
        ("install-cronjob --image-pull-secret ", Wanted::PullSecrets, "/"),
        ("entra setup --service-account ", Wanted::ServiceAccounts, "/"),
        ("install-cronjob --ca-configmap ", Wanted::ConfigMaps, "/"),
        ("install-cronjob --priority-class ", Wanted::PriorityClasses, "/"),
        ("uninstall-cronjob -n b ", Wanted::CronJobs, "/b"),
        ("rotate -v 6 -n b deploy/", deployments, "/b"),
    ] {
        assert_eq!(completed(line).0, Some((wanted, place.to_owned())), "{line}");
    }
}

#[test]
fn nothing_is_asked_where_the_cluster_or_the_namespace_is_not_one_or_the_line_is_wrong() {
    for line in [
        "rotate -A ",
        "rotate -A -t ",
        "rotate --contexts a,b ",
        "rotate --contexts a -n ",
        "rotate --no-such-flag --context a ",
        "rotate --k8s-object deployment/gw ",
        "rotate pod/",
        "render-rbac --name ",
    ] {
        assert_eq!(completed(line), (None, Vec::new()), "{line}");
    }
    assert_eq!(completed("rotate --token-k").0, None);
    assert_eq!(completed("rotate -A -n o").1, ["one", "other"]);
}

/// A new flag with a name is completed, or it is listed here.
#[test]
fn what_is_completed_nowhere_is_not_in_the_cluster() {
    let names = [
        "rotate",
        "install-cronjob",
        "uninstall-cronjob",
        "entra",
        "render-rbac",
    ];
    let mut others = std::collections::BTreeSet::new();
    let root = crate::cli::command("kubectl-apim", &names, &|_| None);
    let mut commands = vec![&root];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands());
        for arg in command.get_arguments() {
            let values = arg.get_value_names().unwrap_or_default();
            let values = if arg.get_action().takes_values() {
                values
            } else {
                &[]
            };
            if values.iter().any(|value| value.contains("NAME")) && wanted(command.get_name(), arg).is_none()
            {
                others.insert(format!("{} {}", command.get_name(), arg.get_id()));
            }
        }
    }
    let expected = [
        "install-cronjob apim_gateway",
        "install-cronjob apim_instance",
        "install-cronjob resource_group",
        "render-rbac apim_gateway",
        "render-rbac apim_instance",
        "render-rbac name",
        "render-rbac resource_group",
        "rotate apim_gateway",
        "rotate apim_instance",
        "rotate resource_group",
        "setup apim_gateway",
        "setup apim_instance",
        "setup create_app",
        "setup location_name",
        "setup resource_group",
        "kubectl apim tls_server_name",
    ];
    let expected = expected.map(str::to_owned).into();
    assert_eq!(others, expected);
}
