//! The connection of this run, as flags of the commands that it prints.

use std::borrow::Cow;
use std::path::Path;

use super::KubeConnection;
use crate::model::PrintedCommand;
use crate::model::quote::word;

/// What stands before a command in a sentence; where a text begins, one may begin too.
const BEFORE: [&str; 4] = ["`", ": ", "&& ", "| "];

/// kubectl's global flags by which this run reaches its cluster. A printed command with
/// them reaches the same cluster as the same user, from the same shell and folder. The
/// namespace stands in the commands themselves; a bearer token is a secret, so a command
/// needs it anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFlags(Vec<String>);

impl ConnectionFlags {
    pub fn of(kube: &KubeConnection) -> Self {
        let path = |file: &Option<std::path::PathBuf>| {
            file.as_deref().map(Path::to_string_lossy).map(Cow::into_owned)
        };
        let mut flags = Self::default();
        flags.add("kubeconfig", path(&kube.kubeconfig).as_deref());
        flags.add("context", kube.context.as_deref());
        flags.add("cluster", kube.cluster.as_deref());
        flags.add("user", kube.user.as_deref());
        flags.add("as", kube.impersonate.as_deref());
        for group in &kube.impersonate_groups {
            flags.add("as-group", Some(group));
        }
        flags.add("as-uid", kube.impersonate_uid.as_deref());
        flags.add("server", kube.server.as_deref());
        flags.add("client-certificate", path(&kube.client_certificate).as_deref());
        flags.add("client-key", path(&kube.client_key).as_deref());
        flags.add(
            "certificate-authority",
            path(&kube.certificate_authority).as_deref(),
        );
        flags.add("tls-server-name", kube.tls_server_name.as_deref());
        if kube.insecure_skip_tls_verify {
            flags.0.push("--insecure-skip-tls-verify".to_owned());
        }
        flags
    }

    /// The same with another context of the kubeconfig.
    #[must_use]
    pub fn in_context(&self, context: &str) -> Self {
        let mut flags = self.clone();
        flags.add("context", Some(context));
        flags
    }

    /// The command with these flags: kubectl takes them before the verb, and a plugin
    /// after its own name.
    pub fn in_command(&self, command: &PrintedCommand) -> PrintedCommand {
        command.with_after(&["kubectl", "apim"], &self.0)
    }

    /// The text with these flags in each of its commands: kubectl takes its flags before
    /// the verb, and a plugin after its own name. Commands that have them stay as they are.
    pub fn completed<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.0.is_empty() || !text.contains("kubectl ") {
            return Cow::Borrowed(text);
        }
        let flags: Vec<Cow<'_, str>> = self.0.iter().map(|flag| word(flag)).collect();
        let flags = format!(" {}", flags.join(" "));
        let mut completed = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("kubectl ") {
            completed.push_str(before);
            completed.push_str("kubectl");
            let begins = completed.len() == "kubectl".len();
            let is_command = begins || BEFORE.iter().any(|mark| before.ends_with(mark));
            let after = match after.strip_prefix("apim ") {
                Some(after) if is_command => {
                    completed.push_str(" apim");
                    after
                }
                _ => after,
            };
            if is_command && !format!(" {after}").starts_with(flags.as_str()) {
                completed.push_str(&flags);
            }
            completed.push(' ');
            rest = after;
        }
        completed.push_str(rest);
        Cow::Owned(completed)
    }

    fn add(&mut self, flag: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.extend([format!("--{flag}"), value.to_owned()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn of_prod() -> ConnectionFlags {
        ConnectionFlags::of(&KubeConnection {
            kubeconfig: Some(PathBuf::from("my files/config")),
            context: Some("prod".to_owned()),
            impersonate: Some("alice".to_owned()),
            impersonate_groups: vec!["a".to_owned(), "b".to_owned()],
            namespace: Some("shop".to_owned()),
            token: Some("secret".parse().unwrap()),
            ..KubeConnection::default()
        })
    }

    #[test]
    fn each_command_of_a_text_gets_them() {
        let flags = of_prod();
        let given = "--kubeconfig 'my files/config' --context prod --as alice --as-group a --as-group b";
        for (text, expected) in [
            ("kubectl get pods", format!("kubectl {given} get pods")),
            (
                "kubectl apim rotate gw -n shop",
                format!("kubectl apim {given} rotate gw -n shop"),
            ),
            (
                "restart it: kubectl -n shop rollout restart deploy/gw && kubectl apim status",
                format!(
                    "restart it: kubectl {given} -n shop rollout restart deploy/gw && kubectl apim {given} status"
                ),
            ),
            (
                "`kubectl get namespaces` lists them",
                format!("`kubectl {given} get namespaces` lists them"),
            ),
            ("as kubectl does", "as kubectl does".to_owned()),
            ("az login", "az login".to_owned()),
        ] {
            assert_eq!(flags.completed(text), expected);
            assert_eq!(flags.completed(&expected), expected, "completed again");
        }
    }

    #[test]
    fn a_command_to_run_has_the_same_words_as_its_text() {
        let flags = of_prod();
        for words in [
            &["kubectl", "apim", "rotate", "gw", "-n", "my shop"][..],
            &["kubectl", "delete", "pod", "apim"],
            &["az", "ad", "app", "show", "--id", "kubectl "],
        ] {
            let command = PrintedCommand::new(words);
            let completed = flags.in_command(&command);
            assert_eq!(completed.to_string(), flags.completed(&command.to_string()));
        }
        let placeholder = PrintedCommand::new(&["kubectl", "apim", "status"]).with_placeholder("NAME");
        let completed = flags.in_command(&placeholder).to_string();
        assert!(
            completed.starts_with("kubectl apim --kubeconfig 'my files/config' "),
            "{completed}"
        );
        assert!(completed.ends_with(" status NAME"), "{completed}");
    }

    #[test]
    fn without_flags_a_text_stays() {
        let none = ConnectionFlags::of(&KubeConnection {
            namespace: Some("shop".to_owned()),
            ..KubeConnection::default()
        });
        assert_eq!(none.completed("kubectl get pods"), "kubectl get pods");
    }

    #[test]
    fn a_context_of_several_stands_at_the_end() {
        let flags = ConnectionFlags::of(&KubeConnection {
            impersonate: Some("alice".to_owned()),
            ..KubeConnection::default()
        });
        let in_context = flags.in_context("it's");
        let expected = r#"kubectl --as alice --context "it's" get pods"#;
        assert_eq!(in_context.completed("kubectl get pods"), expected);
        assert_eq!(flags.completed(expected), expected);
    }
}
