//! Progress lines of the sandbox.

use std::io::Write;

/// Writes one line to stderr.
///
/// A closed stderr does not stop the sandbox, so the error is ignored.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
