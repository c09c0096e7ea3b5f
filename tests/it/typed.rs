//! The examples of the documents, typed in the gallery of the demo.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use apim_sandbox::{Sandbox, documented};
use tokio::process::Command;

use crate::documents::{Document, document, for_users};

/// kubectl with the plugin; a rotation is only rehearsed, so that each example finds the same.
const KUBECTL: &str = "#!/bin/sh
case \"$* \" in
*--dry-run*) ;;
'apim rotate '*) set -- \"$@\" --dry-run ;;
esac
exec \"$KUBECTL\" \"$@\"
";

/// Parts of examples that need more than the gallery has, each with what that is.
const ELSEWHERE: [(&str, &str); 4] = [
    ("status -w", "somebody who ends it"),
    ("--fix", "a terminal"),
    ("--auth azure-cli", "the Azure CLI"),
    ("http://pushgateway:9091", "a Pushgateway"),
];

/// Parts of examples that end in another exit code than 0, since not all gateways are well.
const CODES: [(&str, i32); 5] = [
    ("rotate -A --dry-run -o gateways", 6),
    ("status -A --fail-within", 9),
    ("rotate -A --contexts", 6),
    ("rotate -A --gateways", 6),
    ("rotate -A --if-expiring-within 10d --gateways", 6),
];

struct Shell {
    /// The folder of the shim for kubectl, and its home.
    folder: tempfile::TempDir,
    /// Where the commands run.
    directory: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Shell {
    fn new(sandbox: &Sandbox) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubectl = folder.path().join("kubectl");
        fs::write(&kubectl, KUBECTL).unwrap();
        fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).unwrap();
        let principal = documented::principal();
        let mut variables = sandbox.variables();
        variables.retain(|(name, _)| *name != "KUBECONFIG");
        variables.extend([
            (
                "KUBECONFIG",
                documented::kubeconfig(sandbox).unwrap().display().to_string(),
            ),
            ("ADMIN", sandbox.azure().admin_url()),
            ("AZURE_CLIENT_ID", principal.client_id),
            ("AZURE_CLIENT_SECRET", principal.client_secret),
            ("AZURE_TENANT_ID", principal.tenant),
        ]);
        Self {
            folder,
            directory: sandbox.control_plane().directory().to_owned(),
            variables,
        }
    }

    fn plugin(&self, arguments: &[&str]) -> Command {
        self.command(env!("CARGO_BIN_EXE_kubectl-apim"), arguments)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-apim")).parent().unwrap();
        let system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let kubectl = system.split(':').map(|folder| Path::new(folder).join("kubectl"));
        let kubectl = kubectl.into_iter().find(|path| path.exists()).unwrap();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env(
                "PATH",
                format!("{}:{}:{system}", self.folder.path().display(), plugin.display()),
            )
            .env("KUBECTL", kubectl)
            .env("HOME", self.folder.path())
            .env("TZ", "UTC")
            .current_dir(&self.directory)
            .kill_on_drop(true);
        command
    }
}

/// A shell in the sandbox after everything was deployed.
async fn documented_shell(sandbox: &Sandbox) -> Shell {
    sandbox.azure().add_principal(documented::principal());
    documented::files(sandbox).unwrap();
    let shell = Shell::new(sandbox);
    let deployed = documented::deploy(sandbox, async |arguments| {
        let output = shell.plugin(arguments).output().await?;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(())
    });
    deployed.await.unwrap();
    shell
}

#[tokio::test]
async fn every_example_can_be_typed_in_the_gallery_of_the_demo() {
    let sandbox = Sandbox::start().await.unwrap();
    let shell = documented_shell(&sandbox).await;
    let is_of = |command: &String| {
        ["kubectl apim status", "kubectl apim rotate"]
            .iter()
            .any(|start| command.starts_with(start))
    };
    let commands: Vec<String> = for_users()
        .iter()
        .flat_map(Document::commands)
        .filter(is_of)
        .collect();
    let mut wrong = Vec::new();
    for command in &commands {
        if ELSEWHERE.iter().any(|(part, _)| command.contains(part)) {
            continue;
        }
        let output = shell.command("bash", &["-c", command]).output().await.unwrap();
        let code = CODES.iter().find(|(part, _)| command.contains(part));
        let expected = code.map_or(0, |(_, code)| *code);
        if output.status.code() != Some(expected) {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            wrong.push(format!("$ {command}\n{}\n{stderr}", output.status));
        }
    }
    assert!(commands.len() > 40, "{commands:#?}");
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    sandbox.shutdown().await;
}

/// The exit codes of rotations after each fault of the page, in its order, and after all are gone.
const AFTER_FAULTS: [i32; 4] = [0, 5, 0, 0];

#[tokio::test]
async fn the_faults_of_the_page_do_what_it_says() {
    let sandbox = Sandbox::start().await.unwrap();
    let shell = documented_shell(&sandbox).await;
    let page = document("docs/sandbox.md");
    let commands = page.commands();
    let faults: Vec<&String> = commands
        .iter()
        .filter(|command| command.starts_with("curl "))
        .collect();
    assert_eq!(faults.len(), AFTER_FAULTS.len());
    for (command, code) in faults.iter().zip(AFTER_FAULTS) {
        let set = shell.command("bash", &["-c", command]).output().await.unwrap();
        assert!(set.status.success(), "{command}: {set:?}");
        let rotation = shell.plugin(&["rotate"]).output().await.unwrap();
        assert_eq!(rotation.status.code(), Some(code), "{command}: {rotation:?}");
    }
    sandbox.shutdown().await;
}
