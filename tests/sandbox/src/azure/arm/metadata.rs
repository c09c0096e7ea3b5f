//! `/metadata/endpoints`, in the three shapes that clients ask for.
//!
//! `az cloud register` reads the shape of 2015 or, in newer releases, the single object of 2022; behind
//! `ARM_CLOUD_METADATA_URL` the Azure CLI reads the list of 2019 (`cloud.py` of azure-cli-core).

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::cloud::{Cloud, Site};
use super::super::emulator::Emulator;
use super::super::exchange::Call;
use super::super::reply::Reply;

pub(super) fn answer(emulator: &Emulator, call: &Call) -> Reply {
    let direct = call.site == Some(Site::Direct);
    let asked = call.site.as_ref().map_or(Cloud::Public, Site::cloud);
    let here = if direct {
        Endpoints::direct(&emulator.direct)
    } else {
        Endpoints::of(asked)
    };
    let body = match call.parameter("api-version").unwrap_or_default() {
        version if version < "2018" => here.oldest(),
        version if version < "2022" && direct => json!([here.listed()]),
        version if version < "2022" => Cloud::ALL.map(|cloud| Endpoints::of(cloud).listed()).into(),
        _ => here.single(),
    };
    Reply::json(StatusCode::OK, &body)
}

struct Endpoints {
    name: &'static str,
    login: String,
    resource_manager: String,
    audiences: Vec<String>,
    graph: String,
}

impl Endpoints {
    fn of(cloud: Cloud) -> Endpoints {
        let audiences = [cloud.core_audience(), cloud.resource_manager()];
        Endpoints {
            name: cloud.name(),
            login: format!("https://{}", cloud.authority()),
            resource_manager: format!("https://{}", cloud.resource_manager()),
            audiences: audiences.map(|host| format!("https://{host}/")).into(),
            graph: format!("https://{}/", cloud.graph()),
        }
    }

    /// The emulator at its own address, which is at once the authority and the resource manager of its cloud.
    fn direct(url: &str) -> Endpoints {
        let public = Endpoints::of(Cloud::Public);
        Endpoints {
            login: url.to_owned(),
            resource_manager: url.to_owned(),
            ..public
        }
    }

    fn authentication(&self) -> Value {
        json!({
            "loginEndpoint": self.login,
            "audiences": self.audiences,
            "tenant": "common",
            "identityProvider": "AAD",
        })
    }

    fn oldest(&self) -> Value {
        json!({
            "galleryEndpoint": "https://gallery.azure.com/",
            "graphEndpoint": "https://graph.windows.net/",
            "portalEndpoint": "https://portal.azure.com/",
            "authentication": {"loginEndpoint": self.login, "audiences": self.audiences},
        })
    }

    fn listed(&self) -> Value {
        json!({
            "name": self.name,
            "authentication": self.authentication(),
            "resourceManager": format!("{}/", self.resource_manager),
            "portal": "https://portal.azure.com",
            "gallery": "https://gallery.azure.com/",
            "graph": "https://graph.windows.net/",
            "graphAudience": "https://graph.windows.net/",
            "batch": "https://batch.core.windows.net/",
            "media": "https://rest.media.azure.net",
            "sqlManagement": "https://management.core.windows.net:8443/",
            "activeDirectoryDataLake": "https://datalake.azure.net/",
            "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
            "suffixes": suffixes(),
        })
    }

    fn single(&self) -> Value {
        let mut body = self.listed();
        body["microsoftGraphResourceId"] = self.graph.clone().into();
        body
    }
}

fn suffixes() -> Value {
    json!({
        "storage": "core.windows.net",
        "keyVaultDns": "vault.azure.net",
        "sqlServerHostname": "database.windows.net",
        "acrLoginServer": "azurecr.io",
        "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
        "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
        "azureFrontDoorEndpointSuffix": "azurefd.net",
    })
}
