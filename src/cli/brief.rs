//! The short help of `-h`: what most runs need. `--help` shows every flag.

use clap::Command;

/// Examples come first, as in kubectl.
const TEMPLATE: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// A command, with its help in this form.
pub(super) fn with_brief_help(command: Command) -> Command {
    let shown = shown(command.get_name());
    command
        .help_template(TEMPLATE)
        .mut_args(|flag| {
            let is_shown = flag.is_positional() || shown.contains(&flag.get_id().as_str());
            flag.hide_short_help(!is_shown)
        })
        .mut_subcommands(with_brief_help)
}

/// The flags that the short help of a command shows, by their ids.
fn shown(command: &str) -> &'static [&'static str] {
    match command {
        "rotate" => &["all_namespaces", "dry_run", "output", "yes"],
        "status" => &["all_namespaces", "fail_within", "output", "watch"],
        "install-cronjob" => &["auth", "client_id", "dry_run", "run_now"],
        "uninstall-cronjob" => &["dry_run", "yes"],
        "setup" => &["app", "create_app", "dry_run", "mode", "yes"],
        "render-rbac" => &["azure", "gateways", "scope"],
        "version" => &["output"],
        "entra" | "completion" => &[],
        _ => &["namespace"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shown_flag_exists() {
        let words = [
            "rotate",
            "status",
            "install-cronjob",
            "uninstall-cronjob",
            "entra",
            "render-rbac",
            "version",
        ];
        let root = super::super::command("kubectl-apim", &words, &|_| None);
        let setup = root
            .find_subcommand("entra")
            .and_then(|entra| entra.find_subcommand("setup"));
        let commands = words.iter().filter_map(|name| root.find_subcommand(name));
        for command in commands.chain(setup).chain([&root]) {
            for id in shown(command.get_name()) {
                let exists = command.get_arguments().any(|flag| flag.get_id() == id);
                assert!(exists, "{} {id}", command.get_name());
            }
        }
    }
}
