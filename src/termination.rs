//! The termination message of a pod: when a container ends, the kubelet copies
//! the content of a file into its status.

use std::fs::OpenOptions;
use std::io::{self, Write};

use crate::environment::Environment;
use crate::report::TerminationMessage;

/// The default `terminationMessagePath` of a container.
const FILE: &str = "/dev/termination-log";

/// The variable with the path, for a container that sets another
/// `terminationMessagePath`.
const VARIABLE: &str = "KUBECTL_APIM_TERMINATION_LOG";

/// Writes the result into the termination message. A failure to write it does
/// not fail the run.
pub(crate) fn write_message(environment: &Environment, message: TerminationMessage, exit_code: u8) {
    if !environment.in_pod() {
        return;
    }
    let file = environment.get(VARIABLE).unwrap_or(FILE);
    if let Err(error) = write(file, &message.into_json(exit_code)) {
        tracing::debug!("cannot write the termination message to {file}: {error}");
    }
}

/// Writes to an existing file only: a kubelet reads only the file that it
/// created.
fn write(file: &str, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(file)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::Error;

    #[test]
    fn the_message_is_written_in_a_pod_if_the_file_exists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let message = || TerminationMessage::of_error(&Error::failed("why"));
        let file = path.to_str().unwrap();
        let pod = Environment::from([("KUBERNETES_SERVICE_HOST", "10.0.0.1"), (VARIABLE, file)]);
        write_message(&pod, message(), 1);
        assert!(!path.exists());

        fs::write(&path, "something longer ".repeat(99)).unwrap();
        write_message(&Environment::from([(VARIABLE, file)]), message(), 1);
        assert!(fs::read_to_string(&path).unwrap().starts_with("something"));
        write_message(&pod, message(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), message().into_json(1));
    }
}
