//! The termination message of a pod: the kubelet puts the content of a file
//! into the status of the container that has ended.

use std::fs::OpenOptions;
use std::io::{self, Write};

use crate::environment::Environment;
use crate::report::TerminationMessage;

/// Where a kubelet looks unless the container says otherwise.
const FILE: &str = "/dev/termination-log";

/// The variable for a container with a `terminationMessagePath` of its own.
const VARIABLE: &str = "APIM_TERMINATION_LOG";

/// Leaves the result in the pod's status. A run is worth no less where that
/// is impossible.
pub(crate) fn leave(environment: &Environment, words: TerminationMessage, exit_code: u8) {
    if !environment.in_pod() {
        return;
    }
    let file = environment.get(VARIABLE).unwrap_or(FILE);
    if let Err(error) = write(file, &words.into_json(exit_code)) {
        tracing::debug!("no termination message in {file}: {error}");
    }
}

/// Writes what must be there already: no kubelet reads a file that it did not
/// put there.
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
    fn it_is_left_in_a_pod_where_the_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let words = || TerminationMessage::of_error(&Error::failed("why"));
        let file = path.to_str().unwrap();
        let pod = Environment::from([("KUBERNETES_SERVICE_HOST", "10.0.0.1"), (VARIABLE, file)]);
        leave(&pod, words(), 1);
        assert!(!path.exists());

        fs::write(&path, "something longer ".repeat(99)).unwrap();
        leave(&Environment::from([(VARIABLE, file)]), words(), 1);
        assert!(fs::read_to_string(&path).unwrap().starts_with("something"));
        leave(&pod, words(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), words().into_json(1));
    }
}
