//! The forms of values: a text is shown only where it has the form that belongs there.

use uuid::Uuid;

use crate::model::{CloudName, WorkloadKind, parse_api_version, parse_duration};

/// The form of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The name of an object of Kubernetes.
    Name,
    /// A key of a Secret or a `ConfigMap`, or the value of a label.
    Key,
    /// A resource in Azure.
    Azure,
    /// A UUID.
    Id,
    /// The id or the domain of a tenant.
    Tenant,
    Duration,
    Count,
    /// A cloud, or the URL of its Azure Resource Manager.
    Cloud,
    /// A version of an API of Azure Resource Manager.
    ApiVersion,
    /// A file where the pods mount theirs.
    File,
    /// `http://HOST:PORT`, which has no room for a password.
    Url,
    /// Hosts, networks and references to variables, with commas.
    Hosts,
    /// `KIND/NAME`.
    Workload,
}

/// Where the pods mount files.
const MOUNTS: [&str; 2] = ["/var/run/secrets/", "/etc/apim-rotate/"];

impl Form {
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::OneOf(words) => words.contains(&text),
            Self::Name => is_name(text),
            Self::Key => is_key(text),
            Self::Azure => text.chars().count() <= 90 && is_plain(text) && !looks_generated(text),
            Self::Id => is_id(text),
            Self::Tenant => is_id(text) || is_domain(text),
            Self::Duration => text.len() <= 12 && parse_duration(text).is_ok(),
            Self::Count => is_number(text),
            Self::Cloud => {
                CloudName::ALL.iter().any(|cloud| cloud.as_str() == text)
                    || text.strip_prefix("https://").is_some_and(is_domain)
            }
            Self::ApiVersion => parse_api_version(text).is_ok(),
            Self::File => MOUNTS.iter().any(|mount| {
                text.strip_prefix(mount)
                    .is_some_and(|rest| rest.split('/').all(is_key))
            }),
            Self::Url => is_url(text),
            Self::Hosts => text.split(',').all(is_host_or_variable),
            Self::Workload => text
                .split_once('/')
                .is_some_and(|(kind, name)| WorkloadKind::parse(kind).is_some() && is_name(name)),
        }
    }
}

/// Whether a text can be a name, an id, a path or a number. A token of a gateway,
/// which somebody may have confused with the name of its Secret, is none of these.
pub fn is_plain(text: &str) -> bool {
    let is_plain = |character: char| character.is_alphanumeric() || "-._/,()$".contains(character);
    text.chars().all(is_plain)
}

/// Whether a text with nothing but plain characters looks made by a generator of
/// secrets: people do not name things like that.
pub(super) fn looks_generated(text: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric()).any(|run| {
        let count = |is: fn(&char) -> bool| run.chars().filter(is).count();
        let (upper, lower) = (count(|it| it.is_uppercase()), count(|it| it.is_lowercase()));
        let digits = count(char::is_ascii_digit);
        let length = run.chars().count();
        (length >= 16 && upper > 0 && lower > 0 && digits > 0)
            || (length >= 20 && digits >= 4 && upper + lower >= 4)
    })
}

/// Whether a text is a reference of an image: with a digest, but without a user.
pub(super) fn is_image(text: &str) -> bool {
    let name = match text.split_once('@') {
        Some((name, digest)) if digest.strip_prefix("sha256:").is_some_and(is_plain) => name,
        Some(_) => return false,
        None => text,
    };
    !name.contains("://") && name.split(':').all(is_plain) && !looks_generated(name)
}

/// Whether a text is a schedule of five fields, a macro or an interval.
pub(super) fn is_schedule(text: &str) -> bool {
    const MACROS: [&str; 7] = [
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "@hourly",
    ];
    const NAMES: [&str; 19] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "sun", "mon",
        "tue", "wed", "thu", "fri", "sat",
    ];
    let is_value = |value: &str| {
        ["*", "?"].contains(&value)
            || (value.len() <= 2 && is_number(value))
            || NAMES.contains(&value.to_ascii_lowercase().as_str())
    };
    let is_field = |field: &str| field.split([',', '-', '/']).all(is_value);
    MACROS.contains(&text)
        || text
            .strip_prefix("@every ")
            .is_some_and(|interval| Form::Duration.fits(interval))
        || (text.split_whitespace().count() == 5 && text.split_whitespace().all(is_field))
}

fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    !text.is_empty() && text.len() <= 253 && text.bytes().all(is_plain) && !looks_generated(text)
}

fn is_key(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.len() <= 253 && text.bytes().all(is_plain) && !looks_generated(text)
}

/// Only as it is usually written: the other notations have room for other texts.
fn is_id(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

fn is_domain(text: &str) -> bool {
    let mut labels = text.split('.');
    let last = labels.next_back().unwrap_or_default();
    is_name(text)
        && text.contains('.')
        && labels.all(|label| !label.is_empty() && label.len() <= 63)
        && last.len() >= 2
        && last.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_url(text: &str) -> bool {
    let address = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    address.is_some_and(|address| {
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "443"));
        is_number(port) && is_key(host)
    })
}

fn is_host_or_variable(text: &str) -> bool {
    let variable = text.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')'));
    if let Some(variable) = variable {
        return variable
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    }
    let (host, bits) = text.split_once('/').unwrap_or((text, "0"));
    let host = host.strip_prefix("*.").unwrap_or(host);
    is_number(bits) && (host.is_empty() || is_key(host))
}
