use crate::azure::{Arm, Graph};
use crate::cluster::Cluster;
use crate::model::Fact;

/// Where the facts come from.
pub struct Sources<'a> {
    pub cluster: &'a Cluster,
    pub arm: &'a Arm,
    /// Or why Microsoft Graph is not asked.
    pub graph: Fact<Graph>,
    /// The audience of federated tokens; `None` in a custom cloud.
    pub audience: Option<&'static str>,
}
