use jiff::tz::TimeZone;

use crate::commands::Context;
use crate::environment::Environment;
use crate::error::Result;
use crate::output::Output;

/// Prints the result. When a credential was written, a failure to print is only
/// a warning: the exit code must not suggest that nothing was done.
pub(super) fn print(text: &str, context: &Context) -> Result<()> {
    let output: &Output = &context.output;
    match output.data(text) {
        Err(error) if context.interrupt.credential_written.get() => output.warning(&error.to_string()),
        printed => printed?,
    }
    Ok(())
}

/// The time zone of the machine. `TimeZone::system` would first look up the
/// name of the zone, and read every folder of the time zone database for it.
pub(super) fn local_zone(environment: &Environment) -> TimeZone {
    let rules = match environment.get("TZ") {
        Some(_) => None,
        None => std::fs::read("/etc/localtime").ok(),
    };
    let zone = rules.and_then(|rules| TimeZone::tzif("Local", &rules).ok());
    zone.unwrap_or_else(TimeZone::system)
}
