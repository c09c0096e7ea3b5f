//! The credential of the app: the commands that make it, and that write it into the
//! Secret.

use jiff::Timestamp;
use serde_json::json;

use super::Script;
use crate::model::directory::FederatedCredential;
use crate::model::entra::{PEM_KEY, PFX_KEY, SECRET_KEY};
use crate::model::quote::shell_word;

/// kubectl in the cluster of the set-up.
const KUBECTL: &str = "kubectl --context \"$KUBE_CONTEXT\"";

impl Script<'_> {
    /// The value is only in a variable and in pipes: `printf` is a part of the shell.
    pub(super) fn add_secret(&mut self, name: &str, expires: Timestamp) -> String {
        let app = self.app();
        let reset = format!(
            "az ad app credential reset --id {app} --append --display-name {} --end-date {expires} --query password -o tsv",
            shell_word(name)
        );
        match self.writing(&[format!("{SECRET_KEY}=/dev/stdin")]) {
            None => format!(
                "# Adds a client secret and prints it: it belongs into the Secret of the gateway.\n{reset}\n"
            ),
            Some(writing) => format!(
                "# Adds a client secret, and writes it into the Secret of the gateway.\n{}SECRET=$({reset})\nprintf %s \"$SECRET\" | tr -d '\\r' | {writing}unset SECRET\n",
                self.reaching(),
            ),
        }
    }

    pub(super) fn add_certificate(&mut self, name: &str, expires: Timestamp) -> String {
        let app = self.app();
        let days = expires.duration_since(self.target.now).as_hours() / 24;
        let files = [PEM_KEY, PFX_KEY].map(|key| format!("{key}=\"$FOLDER/{key}\""));
        let (first, last) = match self.writing(&files) {
            None => (
                String::new(),
                format!(
                    "# {PEM_KEY} and {PFX_KEY} belong into the Secret of the gateway.\nprintf '%s\\n' \"$FOLDER\"\n"
                ),
            ),
            Some(writing) => (
                format!("trap 'rm -r \"$FOLDER\"' EXIT\n{}", self.reaching()),
                writing,
            ),
        };
        let reset = format!(
            "az ad app credential reset --id {app} --append --display-name {} --cert @\"$FOLDER/certificate.crt\"",
            shell_word(name)
        );
        format!(
            "# Makes a certificate with its private key, and adds it.\numask 077\nFOLDER=$(mktemp -d)\n{first}openssl req -x509 -newkey rsa:3072 -sha256 -nodes -days {days} -subj /CN=apim-gateway \\\n  -keyout \"$FOLDER/key.pem\" -out \"$FOLDER/certificate.crt\"\ncat \"$FOLDER/certificate.crt\" \"$FOLDER/key.pem\" > \"$FOLDER/{PEM_KEY}\"\nopenssl pkcs12 -export -in \"$FOLDER/certificate.crt\" -inkey \"$FOLDER/key.pem\" -out \"$FOLDER/{PFX_KEY}\" -passout pass: \\\n  -keypbe AES-256-CBC -certpbe AES-256-CBC -macalg SHA256\n{reset} > /dev/null\n{last}"
        )
    }

    /// Chooses the cluster. If it cannot be written, nothing is made that nobody could use.
    fn reaching(&self) -> String {
        let cluster = &self.target.cluster;
        let words = cluster.in_words();
        let context = match cluster.context {
            Some(name) => {
                let name = shell_word(name);
                format!(
                    "# Set KUBE_CONTEXT if your context of this cluster has another name.\n[ -n \"${{KUBE_CONTEXT:-}}\" ] || KUBE_CONTEXT={name}\n"
                )
            }
            None => "# Your context of this cluster.\n: \"${KUBE_CONTEXT:?}\"\n".to_owned(),
        };
        let namespace = shell_word(self.target.namespace);
        let secret = shell_word(self.secret.unwrap_or_default());
        format!(
            "# In the cluster: {words}.\n{context}{KUBECTL} -n {namespace} auth can-i patch secrets/{secret} > /dev/null || {{ echo 'The Secret cannot be written.' >&2; exit 1; }}\n"
        )
    }

    /// Writes files into the Secret. One that something else has put there stays, which is
    /// an error.
    fn writing(&self, files: &[String]) -> Option<String> {
        let (name, namespace) = (shell_word(self.secret?), shell_word(self.target.namespace));
        let files: Vec<String> = files.iter().map(|file| format!(" --from-file={file}")).collect();
        let files = files.concat();
        let force = if self.target.has_secret {
            " --force-conflicts"
        } else {
            ""
        };
        Some(format!(
            "{KUBECTL} -n {namespace} create secret generic {name}{files} --dry-run=client -o yaml |\n  {KUBECTL} -n {namespace} apply --server-side{force} -f -\n"
        ))
    }

    pub(super) fn federated(&mut self, verb: &str, federated: &FederatedCredential) -> String {
        let audience = federated.audiences.join(" ");
        if let Some(identity) = self.target.identity {
            return format!(
                "# What trusts the tokens of the cluster.\naz identity federated-credential {verb} --name {} --subscription {} --resource-group {} \\\n  --identity-name {} --issuer {} \\\n  --subject {} --audiences {}\n",
                shell_word(&federated.name),
                shell_word(&identity.subscription),
                shell_word(&identity.resource_group),
                shell_word(&identity.name),
                shell_word(&federated.issuer),
                shell_word(&federated.subject),
                shell_word(&audience),
            );
        }
        let app = self.app();
        let which = match verb {
            "update" => format!("--federated-credential-id {} ", shell_word(&federated.name)),
            _ => String::new(),
        };
        let name = shell_word(&format!("[?name=='{}'].name", federated.name));
        // The Azure CLI refuses to create one that is there.
        let unless_there = match verb {
            "create" => format!(
                "FOUND=$(az ad app federated-credential list --id {app} --query {name} -o tsv)\n[ -n \"$FOUND\" ] || "
            ),
            _ => String::new(),
        };
        let parameters = json!({
            "name": federated.name, "issuer": federated.issuer,
            "subject": federated.subject, "audiences": federated.audiences,
        });
        format!(
            "# What trusts the tokens of the cluster.\n{unless_there}az ad app federated-credential {verb} --id {app} {which}--parameters {}\n",
            shell_word(&format!("{parameters:#}"))
        )
    }
}
