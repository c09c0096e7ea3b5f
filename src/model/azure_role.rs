/// The custom roles that self-hosted gateways need in Azure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AzureRole {
    /// Mints tokens; for the identity that rotates
    #[default]
    TokenOperator,
    /// Reads who has which role; for the managed identity of the instance, whose gateways sign in by Entra
    ConfigValidator,
    /// Reads the configuration; for the Entra app of a gateway
    ConfigReader,
}
