use clap::Args;

/// The gateway in Azure.
#[derive(Args, Clone, Debug)]
pub struct GatewayArgs {
    /// Id of the gateway in API Management
    #[arg(short = 'g', long, value_name = "NAME")]
    pub apim_gateway: Option<String>,

    #[command(flatten)]
    pub instance: InstanceArgs,
}

/// The API Management instance.
#[derive(Args, Clone, Debug)]
pub struct InstanceArgs {
    /// API Management instance
    #[arg(short = 'a', long, value_name = "NAME")]
    pub apim_instance: Option<String>,

    /// Resource group of the instance
    #[arg(short = 'r', long, value_name = "NAME")]
    pub resource_group: Option<String>,

    /// Subscription of the instance
    #[arg(short = 's', long, value_name = "ID")]
    pub subscription_id: Option<String>,
}
