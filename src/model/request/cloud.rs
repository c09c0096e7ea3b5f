use std::fmt;

use crate::model::{Cloud, CloudName};

/// The cloud that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudRequest {
    Known(CloudName),
    /// Any other, by the URL of its Azure Resource Manager, which names its
    /// other endpoints.
    ResourceManager(String),
}

impl CloudRequest {
    /// The name of the cloud, if it has one.
    pub fn name(&self) -> Option<CloudName> {
        match self {
            Self::Known(name) => Some(*name),
            Self::ResourceManager(url) => CloudName::ALL
                .into_iter()
                .find(|name| Cloud::known(*name).resource_manager.eq_ignore_ascii_case(url)),
        }
    }
}

/// The value of `--cloud`.
impl fmt::Display for CloudRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(name) => f.write_str(name.as_str()),
            Self::ResourceManager(url) => f.write_str(url),
        }
    }
}
