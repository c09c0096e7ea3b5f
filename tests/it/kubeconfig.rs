//! Kubeconfigs, and how their users sign in, beside the real kubectl.

mod authorities;
mod files;
mod plugins;

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::case::Case;
use crate::run::Ended;

/// A kubeconfig, and what comes of it.
struct Row {
    what: &'static str,
    kubeconfig: String,
    /// Whether kubectl reaches the cluster.
    kubectl: bool,
    /// What is said here; nothing if the cluster is reached.
    says: &'static str,
}

/// Runs each row with kubectl and here, and collects what is otherwise.
async fn check(case: &Case, rows: Vec<Row>) {
    let mut differences = Vec::new();
    for Row {
        what,
        kubeconfig,
        kubectl,
        says,
    } in rows
    {
        let file = case.file("row", &kubeconfig).display().to_string();
        // Where it refuses a file, kubectl shows what is in it.
        let mut there = case.kubectl(&["get", "secrets", "--kubeconfig", &file]).command();
        let there = Ended::from(there.output().await.unwrap());
        if (there.code == Some(0)) != kubectl {
            differences.push(format!("{what}: kubectl: {}", there.stderr));
        }
        let here = case.apim(&["status", "--kubeconfig", &file]).start().await;
        let here = here.ended().await;
        let is_as_expected = match says {
            "" => here.code == Some(0),
            says => here.code != Some(0) && here.stderr.contains(says),
        };
        if !is_as_expected {
            differences.push(format!("{what}: {}{}", here.stdout, here.stderr));
        }
        // The debug text of a type has braces or names of variants.
        let debug = ["Error(", "Error {", " { ", "None", "Some(", "Os {"].iter();
        if let Some(debug) = debug.into_iter().find(|debug| here.stderr.contains(*debug)) {
            differences.push(format!("{what}: `{debug}` in {}", here.stderr));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn base64(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

/// A kubeconfig with these fields of the cluster and the user.
fn kubeconfig(case: &Case, cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: apim-sandbox\n\
         contexts: [{{name: apim-sandbox, context: {{cluster: c, user: u, namespace: {}}}}}]\n\
         clusters:\n- name: c\n  cluster: {{{cluster}}}\nusers:\n- name: u\n  user: {{{user}}}\n",
        case.namespace
    )
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}
