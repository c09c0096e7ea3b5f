use serde::Serialize;

/// The Azure clouds with built-in endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CloudName {
    /// The global Azure cloud.
    Public,
    /// Azure operated by 21Vianet.
    China,
    /// Azure US Government.
    UsGov,
}

impl CloudName {
    pub const ALL: [Self; 3] = [Self::Public, Self::China, Self::UsGov];

    /// The value of `--cloud`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::China => "china",
            Self::UsGov => "usgov",
        }
    }

    /// The domain of the hosts of API Management.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Public => "azure-api.net",
            Self::China => "azure-api.cn",
            Self::UsGov => "azure-api.us",
        }
    }
}

/// The endpoints of an Azure cloud. URLs have no trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// The Entra authority, `https://login.microsoftonline.com`.
    pub authority: String,
    /// Azure Resource Manager, `https://management.azure.com`.
    pub resource_manager: String,
    /// The OAuth scope of Azure Resource Manager.
    pub scope: String,
    /// Microsoft Graph, `https://graph.microsoft.com`; `None` if the metadata of
    /// a custom cloud does not name it.
    pub graph: Option<String>,
}

impl Cloud {
    /// The endpoints of a known cloud, the same as in azure-cli 2.91 and
    /// azure-mgmt-core.
    pub fn known(name: CloudName) -> Self {
        let (authority, manager, audience, graph) = match name {
            CloudName::Public => (
                "login.microsoftonline.com",
                "management.azure.com",
                "https://management.azure.com",
                "graph.microsoft.com",
            ),
            CloudName::China => (
                "login.chinacloudapi.cn",
                "management.chinacloudapi.cn",
                "https://management.chinacloudapi.cn",
                "microsoftgraph.chinacloudapi.cn",
            ),
            CloudName::UsGov => (
                "login.microsoftonline.us",
                "management.usgovcloudapi.net",
                "https://management.core.usgovcloudapi.net",
                "graph.microsoft.us",
            ),
        };
        Self {
            authority: format!("https://{authority}"),
            resource_manager: format!("https://{manager}"),
            scope: format!("{audience}/.default"),
            graph: Some(format!("https://{graph}")),
        }
    }
}
