use crate::model::CloudName;

/// The cloud that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudRequest {
    Known(CloudName),
    /// Any other, by the URL of its Azure Resource Manager, which names its
    /// other endpoints.
    ResourceManager(String),
}
