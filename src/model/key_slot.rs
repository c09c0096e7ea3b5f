use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// One of the two signing keys of a gateway in Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeySlot {
    Primary,
    Secondary,
}

impl KeySlot {
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }

    /// The value of ARM's `keyType` and of the annotation `last-used-key`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }
}

impl fmt::Display for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeySlot {
    type Err = ();

    /// Parses the value of an annotation.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim() {
            "primary" => Ok(Self::Primary),
            "secondary" => Ok(Self::Secondary),
            _ => Err(()),
        }
    }
}

/// Which slot a rotation is asked to use; the words are the script's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyChoice {
    /// The slot used last, from the Secret's annotation; primary if it is not known.
    #[default]
    Last,
    /// The slot that was not used last; primary if neither is known.
    Rotate,
    /// The primary key.
    Primary,
    /// The secondary key.
    Secondary,
}

impl fmt::Display for KeyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "last",
            Self::Rotate => "rotate",
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        })
    }
}
