//! The one image whose containers are processes: this project's own.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod};
use tokio::sync::watch;

use super::environment::{Environment, expand};

/// The last part of the repository, in any registry.
const REPOSITORY: &str = "kubectl-apim";

/// The program and its link, both in the root directory of the image.
const PROGRAM: &str = "/kubectl-apim";
const LINK: &str = "/apim-shg-rotate";

/// What a container without a command runs.
const ENTRYPOINT: &str = LINK;

/// The binary that runs instead of the image, once there is one.
pub(crate) struct Binary(watch::Sender<Option<PathBuf>>);

impl Binary {
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Self(watch::Sender::new(path))
    }

    pub(crate) fn provide(&self, path: &Path) {
        self.0.send_replace(Some(path.to_owned()));
    }

    pub(crate) fn get(&self) -> Option<PathBuf> {
        self.0.borrow().clone()
    }

    /// Waits until there is one.
    pub(crate) async fn provided(&self) -> PathBuf {
        let mut receiver = self.0.subscribe();
        let path = receiver
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|path| path.clone());
        match path {
            Some(path) => path,
            None => std::future::pending().await,
        }
    }
}

/// Whether the container is to run the binary.
pub(crate) fn is_own(container: &Container) -> bool {
    let image = container.image.as_deref().unwrap_or_default();
    let image = image.split_once('@').map_or(image, |(name, _digest)| name);
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split(':').next() == Some(REPOSITORY)
}

/// Whether any container of the pod is to run the binary.
pub(crate) fn has_own(pod: &Pod) -> bool {
    pod.spec.iter().flat_map(|spec| &spec.containers).any(is_own)
}

/// Program and arguments by the rules of Kubernetes: a command replaces the entrypoint, arguments
/// follow either, and references to variables are expanded in both.
pub(crate) fn command_line(container: &Container, environment: &Environment) -> Vec<String> {
    let command = container.command.clone().filter(|command| !command.is_empty());
    let mut line: Vec<String> = command
        .unwrap_or_else(|| vec![ENTRYPOINT.to_owned()])
        .iter()
        .chain(container.args.iter().flatten())
        .map(|word| expand(word, environment))
        .collect();
    line[0] = located(&line[0]);
    line
}

/// Where the image keeps the program that is called so.
fn located(program: &str) -> String {
    match program
        .strip_prefix("/usr/local/bin/")
        .unwrap_or(program)
        .trim_start_matches('/')
    {
        "kubectl-apim" => PROGRAM.to_owned(),
        "apim-shg-rotate" => LINK.to_owned(),
        _ => program.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(image: &str, command: &[&str], args: &[&str]) -> Container {
        let words = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
        Container {
            image: Some(image.to_owned()),
            command: words(command),
            args: words(args),
            ..Container::default()
        }
    }

    #[test]
    fn the_image_is_recognized_by_its_repository() {
        for (image, expected) in [
            ("kubectl-apim", true),
            ("ghcr.io/someone/kubectl-apim:v1", true),
            ("localhost:5000/kubectl-apim@sha256:0123", true),
            ("registry:5000/kubectl-apim:1@sha256:0123", true),
            ("ghcr.io/kubectl-apim/other", false),
            ("kubectl-apim-demo:v1", false),
            ("", false),
        ] {
            assert_eq!(is_own(&container(image, &[], &[])), expected, "{image}");
        }
    }

    #[test]
    fn the_command_line_is_put_together_as_kubernetes_does() {
        let environment = Environment::from([("A".to_owned(), "1".to_owned())]);
        for (command, args, expected) in [
            (&[][..], &[][..], &["/apim-shg-rotate"][..]),
            (&[], &["-x", "$(A)$(B)"], &["/apim-shg-rotate", "-x", "1$(B)"]),
            (&["kubectl-apim"], &[], &["/kubectl-apim"]),
            (
                &["/usr/local/bin/kubectl-apim", "rotate"],
                &["$$(A)"],
                &["/kubectl-apim", "rotate", "$(A)"],
            ),
            (&["/apim-shg-rotate"], &[], &["/apim-shg-rotate"]),
            (&["/bin/sh", "-c"], &["true"], &["/bin/sh", "-c", "true"]),
        ] {
            let line = command_line(&container("kubectl-apim", command, args), &environment);
            assert_eq!(line, expected);
        }
    }
}
