use serde::Serialize;

/// The Azure clouds that are known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CloudName {
    /// Azure, the one that most people mean.
    Public,
    /// Azure operated by 21Vianet.
    China,
    /// Azure US Government.
    UsGov,
}

impl CloudName {
    /// Every known cloud.
    pub const ALL: [Self; 3] = [Self::Public, Self::China, Self::UsGov];

    /// The name, as `--cloud` takes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::China => "china",
            Self::UsGov => "usgov",
        }
    }

    /// The domain of API Management's own hosts.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Public => "azure-api.net",
            Self::China => "azure-api.cn",
            Self::UsGov => "azure-api.us",
        }
    }
}

/// Where an Azure cloud's endpoints are. Addresses have no trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// The Entra authority, `https://login.microsoftonline.com`.
    pub authority: String,
    /// Azure Resource Manager, `https://management.azure.com`.
    pub resource_manager: String,
    /// The OAuth scope of Azure Resource Manager.
    pub scope: String,
}

impl Cloud {
    /// The endpoints of a known cloud, as azure-cli 2.91 and azure-mgmt-core
    /// have them.
    pub fn known(name: CloudName) -> Self {
        let (authority, manager, audience) = match name {
            CloudName::Public => (
                "login.microsoftonline.com",
                "management.azure.com",
                "https://management.azure.com",
            ),
            CloudName::China => (
                "login.chinacloudapi.cn",
                "management.chinacloudapi.cn",
                "https://management.chinacloudapi.cn",
            ),
            CloudName::UsGov => (
                "login.microsoftonline.us",
                "management.usgovcloudapi.net",
                "https://management.core.usgovcloudapi.net",
            ),
        };
        Self {
            authority: format!("https://{authority}"),
            resource_manager: format!("https://{manager}"),
            scope: format!("{audience}/.default"),
        }
    }
}
