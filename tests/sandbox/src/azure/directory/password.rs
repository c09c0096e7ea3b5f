//! Client secrets.

use std::fmt;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::new_id;

/// A client secret.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordCredential {
    /// The id by which it is removed.
    pub key_id: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// The secret, which Graph shows only when it is made.
    pub secret: String,
    /// From when on it is valid.
    pub start: Timestamp,
    /// Until when it is valid.
    pub end: Timestamp,
}

impl PasswordCredential {
    /// A secret that outlives every test.
    pub fn new(secret: &str) -> PasswordCredential {
        PasswordCredential {
            key_id: new_id(),
            display_name: None,
            secret: secret.to_owned(),
            start: Timestamp::UNIX_EPOCH,
            end: far_away(),
        }
    }

    /// A new random secret in the form of Entra's, which carry `~` and `.`. Their first characters differ.
    pub(in crate::azure) fn random(start: Timestamp, end: Timestamp) -> PasswordCredential {
        let secret = format!(
            "{}8Q~{}.{}",
            &new_id()[..3],
            uuid::Uuid::new_v4().simple(),
            &new_id()[..4]
        );
        PasswordCredential {
            start,
            end,
            ..PasswordCredential::new(&secret)
        }
    }

    /// The beginning of the secret, which Graph always shows.
    pub(in crate::azure) fn hint(&self) -> &str {
        self.secret.get(..3).unwrap_or_default()
    }

    /// How long the secret is valid.
    pub fn lifetime(&self) -> SignedDuration {
        self.end.duration_since(self.start)
    }
}

fn far_away() -> Timestamp {
    let day = date(2999, 1, 1).to_zoned(TimeZone::UTC);
    day.map_or(Timestamp::MAX, |day| day.timestamp())
}

impl fmt::Debug for PasswordCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordCredential")
            .field("key_id", &self.key_id)
            .field("display_name", &self.display_name)
            .field("start", &self.start)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
