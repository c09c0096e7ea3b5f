//! Time zones by their names, as Kubernetes looks them up.

use jiff::tz::{TimeZone, db};

/// The zone in which the controller runs a schedule (Go's `time.LoadLocation`).
/// The zone of the controller manager itself, `Local`, is nearly always UTC.
pub(super) fn load(name: &str) -> Result<TimeZone, String> {
    if ["", "UTC", "Local", "Etc/UTC"].contains(&name) {
        return Ok(TimeZone::UTC);
    }
    let Ok(zone) = TimeZone::get(name) else {
        return Err(if db().is_definitively_empty() {
            format!("this machine has no time zones in which `{name}` could be looked up; install tzdata")
        } else {
            format!("there is no such time zone as `{name}`")
        });
    };
    match zone.iana_name() {
        // Names are those of files.
        Some(exact) if exact != name => Err(format!(
            "there is no such time zone as `{name}`; the name is `{exact}`"
        )),
        Some(_) => Ok(zone),
        None => Err(format!("there is no such time zone as `{name}`")),
    }
}

/// The same for a new CronJob, of which the API server reads the name more
/// strictly (`validateTimeZone`).
pub(super) fn load_new(name: &str) -> Result<TimeZone, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    let is_part = |part: &str| {
        (1..=14).contains(&part.len())
            && part.bytes().all(is_plain)
            && !part.starts_with('-')
            && ![".", ".."].contains(&part)
    };
    if name.eq_ignore_ascii_case("local") || !name.split('/').all(is_part) {
        return Err(format!("there is no such time zone as `{name}`"));
    }
    load(name)
}
