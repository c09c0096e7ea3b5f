//! The variables of all flags.

use std::collections::BTreeSet;

use clap::{Arg, Command, CommandFactory};

use super::root::Cli;
use super::variables::{names_an_object, variable, variable_of};

/// All flags of all commands.
fn flags() -> Vec<Arg> {
    fn below(command: &Command) -> Vec<Arg> {
        let own = command.get_arguments().cloned();
        own.chain(command.get_subcommands().flat_map(below)).collect()
    }
    let mut root = Cli::command();
    root.build();
    below(&root)
}

fn longs(flags: &[Arg], chosen: impl Fn(&Arg) -> bool) -> BTreeSet<&str> {
    let chosen = flags.iter().filter(|flag| chosen(flag));
    chosen.filter_map(Arg::get_long).collect()
}

#[test]
fn flags_of_kubectl_have_no_variable_and_all_of_ours_have_one() {
    let flags = flags();
    let without = BTreeSet::from([
        "as",
        "as-group",
        "as-uid",
        "certificate-authority",
        "client-certificate",
        "client-key",
        "cluster",
        "context",
        "help",
        "insecure-skip-tls-verify",
        "kubeconfig",
        "namespace",
        "request-timeout",
        "server",
        "tls-server-name",
        "token",
        "user",
        "version",
    ]);
    assert_eq!(longs(&flags, |flag| variable(flag).is_none()), without);
    assert!(longs(&flags, |flag| variable(flag).is_some()).len() > 50);
    assert_eq!(variable_of("token-key"), "KUBECTL_APIM_TOKEN_KEY");
}

#[test]
fn these_flags_name_an_object() {
    let flags = flags();
    let names = longs(&flags, |flag| variable(flag).is_some() && names_an_object(flag));
    assert_eq!(
        names,
        BTreeSet::from([
            "apim-gateway",
            "apim-instance",
            "ca-configmap",
            "client-id",
            "contexts",
            "create-app",
            "existing-secret",
            "image-pull-secret",
            "k8s-object",
            "location-name",
            "name",
            "principal-id",
            "priority-class",
            "resource-group",
            "role-definition-id",
            "secret",
            "service-account",
            "subscription-id",
            "tenant",
            "token-secret",
        ])
    );
}
