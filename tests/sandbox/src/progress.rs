//! Progress lines of the sandbox.

use std::io::Write;

/// Writes one line to stderr.
///
/// A closed stderr is no reason to stop, so the error is dropped.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
