use crate::model::CloudName;

/// The cloud that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudRequest {
    Known(CloudName),
    /// Any other, by the URL of its Azure Resource Manager, which names its
    /// other endpoints.
    ResourceManager(String),
}
