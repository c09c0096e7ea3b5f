//! The Azure clouds and their host names.

/// An Azure cloud whose host names the emulator answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// The public cloud, `AzureCloud` in the Azure CLI.
    Public,
    /// Azure operated by 21Vianet, `AzureChinaCloud` in the Azure CLI.
    China,
    /// Azure Government, `AzureUSGovernment` in the Azure CLI.
    UsGov,
}

impl Cloud {
    /// Every cloud, the public one first.
    pub const ALL: [Cloud; 3] = [Cloud::Public, Cloud::China, Cloud::UsGov];

    /// The name that the Azure CLI and `/metadata/endpoints` give to the cloud.
    pub fn name(self) -> &'static str {
        match self {
            Cloud::Public => "AzureCloud",
            Cloud::China => "AzureChinaCloud",
            Cloud::UsGov => "AzureUSGovernment",
        }
    }

    /// The host of the Entra authority.
    pub fn authority(self) -> &'static str {
        match self {
            Cloud::Public => "login.microsoftonline.com",
            Cloud::China => "login.chinacloudapi.cn",
            Cloud::UsGov => "login.microsoftonline.us",
        }
    }

    /// The host of Azure Resource Manager.
    pub fn resource_manager(self) -> &'static str {
        match self {
            Cloud::Public => "management.azure.com",
            Cloud::China => "management.chinacloudapi.cn",
            Cloud::UsGov => "management.usgovcloudapi.net",
        }
    }

    /// The host of the older audience of Azure Resource Manager, which the Azure CLI still asks for.
    pub fn core_audience(self) -> &'static str {
        match self {
            Cloud::Public => "management.core.windows.net",
            Cloud::China => "management.core.chinacloudapi.cn",
            Cloud::UsGov => "management.core.usgovcloudapi.net",
        }
    }

    /// The host of Microsoft Graph.
    pub fn graph(self) -> &'static str {
        match self {
            Cloud::Public => "graph.microsoft.com",
            Cloud::China => "microsoftgraph.chinacloudapi.cn",
            Cloud::UsGov => "graph.microsoft.us",
        }
    }

    /// The suffix of the host names of API Management services, as in `{service}.azure-api.net`.
    pub fn api_suffix(self) -> &'static str {
        match self {
            Cloud::Public => "azure-api.net",
            Cloud::China => "azure-api.cn",
            Cloud::UsGov => "azure-api.us",
        }
    }
}

impl Cloud {
    /// The audience of the access tokens with which gateways fetch their configuration.
    pub fn configuration_audience(self) -> String {
        format!("https://{}/configuration", self.api_suffix())
    }

    /// The audience of Microsoft Graph.
    pub fn graph_audience(self) -> String {
        format!("https://{}", self.graph())
    }
}

/// The service behind a host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Site {
    Authority(Cloud),
    ResourceManager(Cloud),
    Graph(Cloud),
    /// The configuration endpoint of the service of this name.
    Configuration(Cloud, String),
    /// The public documents of the issuers of AKS clusters.
    Issuer,
    /// The emulator's own address, where the path distinguishes Entra and ARM.
    Direct,
}

/// What the host names end with where AKS serves the documents of its issuers, in the public cloud.
pub(super) const ISSUER_SUFFIX: &str = "oic.prod-aks.azure.com";

impl Site {
    /// The site of a host name without its port, if the emulator answers for it.
    pub(super) fn of(host: &str) -> Option<Site> {
        let host = host.to_ascii_lowercase();
        if matches!(host.as_str(), "localhost" | "127.0.0.1") {
            return Some(Site::Direct);
        }
        if host.ends_with(&format!(".{ISSUER_SUFFIX}")) {
            return Some(Site::Issuer);
        }
        Cloud::ALL.into_iter().find_map(|cloud| {
            if host == cloud.authority() {
                return Some(Site::Authority(cloud));
            }
            if host == cloud.resource_manager() {
                return Some(Site::ResourceManager(cloud));
            }
            if host == cloud.graph() {
                return Some(Site::Graph(cloud));
            }
            let name = host.strip_suffix(cloud.api_suffix())?.strip_suffix('.')?;
            let service = name
                .strip_suffix(".configuration")
                .or_else(|| name.strip_suffix(".management"))?;
            let is_name = !service.is_empty() && !service.contains('.');
            is_name.then(|| Site::Configuration(cloud, service.to_owned()))
        })
    }

    /// The cloud that the site belongs to; the emulator's own address passes for the public cloud.
    pub(super) fn cloud(&self) -> Cloud {
        match self {
            Site::Authority(cloud)
            | Site::ResourceManager(cloud)
            | Site::Graph(cloud)
            | Site::Configuration(cloud, _) => *cloud,
            Site::Issuer | Site::Direct => Cloud::Public,
        }
    }
}

/// The audiences for which ARM accepts tokens at a site, without a trailing slash: those of its own cloud, and at the
/// emulator's own address those of every cloud.
pub(super) fn arm_audiences(site: &Site, direct: &str) -> Vec<String> {
    let hosts = |cloud: Cloud| [cloud.resource_manager(), cloud.core_audience()];
    let clouds = clouds(site).into_iter().flat_map(hosts);
    clouds
        .map(|host| format!("https://{host}"))
        .chain([direct.to_owned()])
        .collect()
}

/// The audiences for which Entra issues tokens at a site, without a trailing slash.
pub(super) fn audiences(site: &Site, direct: &str) -> Vec<String> {
    let mut known = arm_audiences(site, direct);
    for cloud in clouds(site) {
        known.extend([cloud.graph_audience(), cloud.configuration_audience()]);
    }
    known
}

fn clouds(site: &Site) -> Vec<Cloud> {
    match site {
        Site::Direct => Cloud::ALL.to_vec(),
        _ => vec![site.cloud()],
    }
}
