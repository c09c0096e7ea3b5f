//! The operation of a request, from its method and path.

mod arm;
mod graph;

use axum::http::Method;

pub(super) use self::arm::{ArmRoute, Verb};
pub(super) use self::graph::{Collection, GraphRoute, Key};
use super::cloud::Site;
use super::issuer;
use super::operation::Operation;

/// The operation of a request, with the names in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    InstanceDiscovery,
    OpenIdConfiguration { tenant: String },
    SignIn { tenant: String },
    Configuration { service: String },
    Arm(ArmRoute),
    Graph(GraphRoute),
    Issuer(issuer::Document),
    Unknown,
}

impl Route {
    /// The route of a request for `site`; `segments` are the decoded parts of its path.
    pub(super) fn of(site: &Site, method: &Method, segments: &[String]) -> Route {
        let route = match site {
            Site::Authority(_) => entra(method, segments),
            Site::ResourceManager(_) => arm::route(method, segments).map(Route::Arm),
            Site::Graph(_) => graph::route(method, segments).map(Route::Graph),
            Site::Issuer => issuer::route(method, segments).map(Route::Issuer),
            Site::Direct => entra(method, segments)
                .or_else(|| graph::route(method, segments).map(Route::Graph))
                .or_else(|| arm::route(method, segments).map(Route::Arm)),
            Site::Configuration(_, service) => (method == Method::GET).then(|| Route::Configuration {
                service: service.clone(),
            }),
        };
        route.unwrap_or(Route::Unknown)
    }

    pub(super) fn operation(&self) -> Option<Operation> {
        match self {
            Route::InstanceDiscovery | Route::OpenIdConfiguration { .. } => Some(Operation::Discovery),
            Route::SignIn { .. } => Some(Operation::SignIn),
            Route::Configuration { .. } => Some(Operation::Configuration),
            Route::Issuer(_) => Some(Operation::IssuerDocument),
            Route::Unknown => None,
            Route::Arm(route) => Some(route.verb.operation()),
            Route::Graph(route) => Some(route.operation),
        }
    }

    /// The gateway that the path names.
    pub(super) fn gateway(&self) -> Option<&str> {
        match self {
            Route::Arm(ArmRoute { names, .. }) if !names.name.is_empty() => Some(&names.name),
            _ => None,
        }
    }
}

fn entra(method: &Method, segments: &[String]) -> Option<Route> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["common", "discovery", "instance"]) => Some(Route::InstanceDiscovery),
        (
            "GET",
            [tenant, ".well-known", "openid-configuration"]
            | [tenant, "v2.0", ".well-known", "openid-configuration"],
        ) => Some(Route::OpenIdConfiguration {
            tenant: (*tenant).to_owned(),
        }),
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => Some(Route::SignIn {
            tenant: (*tenant).to_owned(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::inventory::Gateway;
    use super::*;

    fn route(method: &str, path: &str) -> Route {
        let segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        Route::of(&Site::Direct, &method.parse().unwrap(), &segments)
    }

    #[test]
    fn the_case_of_an_arm_path_does_not_count_and_its_names_are_kept_as_written() {
        let path =
            "/subscriptions/S/resourcegroups/Group/providers/microsoft.APIManagement/service/Svc/gateways/Gw";
        let Route::Arm(route) = route("POST", &format!("{path}/GenerateToken")) else {
            panic!("not a request to ARM");
        };
        assert_eq!(route.verb, Verb::GenerateToken);
        assert_eq!(route.names, Gateway::new("S", "Group", "Svc", "Gw"));
        assert_eq!(route.scope, path);
    }

    #[test]
    fn the_permissions_of_a_resource_are_asked_below_its_id() {
        let Route::Arm(route) = route(
            "GET",
            "/subscriptions/s/providers/Microsoft.Authorization/permissions",
        ) else {
            panic!("not a request to ARM");
        };
        assert_eq!(
            (route.verb, route.scope.as_str()),
            (Verb::Permissions, "/subscriptions/s")
        );
    }

    #[test]
    fn an_unsupported_method_is_not_a_route() {
        assert_eq!(route("POST", "/subscriptions"), Route::Unknown);
    }
}
