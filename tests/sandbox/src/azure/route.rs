//! The operation of a request, from its method and path.

use axum::http::Method;

use super::cloud::Site;
use super::fault::Operation;
use super::inventory::Gateway;

/// The operation of a request, with the names in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    InstanceDiscovery,
    OpenIdConfiguration { tenant: String },
    SignIn { tenant: String },
    Configuration { service: String },
    Arm(ArmRoute),
    Unknown,
}

/// A request to ARM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArmRoute {
    pub(super) verb: Verb,
    /// The names in the path; those that it does not give are empty.
    pub(super) names: Gateway,
    /// The id of the resource that the request is for, as the caller wrote it.
    pub(super) scope: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Metadata,
    Tenants,
    Subscriptions,
    Subscription,
    ResourceGraph,
    SubscriptionServices,
    GroupServices,
    Service,
    Gateways,
    Gateway,
    GatewayApis,
    GenerateToken,
    ListKeys,
    RegenerateKey,
    Permissions,
}

impl Verb {
    /// Whether the resource provider of API Management answers, and not ARM itself.
    pub(super) fn is_api_management(self) -> bool {
        !matches!(
            self,
            Verb::Metadata
                | Verb::Tenants
                | Verb::Subscriptions
                | Verb::Subscription
                | Verb::ResourceGraph
                | Verb::Permissions
        )
    }
}

impl Route {
    /// The route of a request for `site`; `segments` are the decoded parts of its path.
    pub(super) fn of(site: &Site, method: &Method, segments: &[String]) -> Route {
        let route = match site {
            Site::Authority(_) => entra(method, segments),
            Site::ResourceManager(_) => arm(method, segments),
            Site::Direct => entra(method, segments).or_else(|| arm(method, segments)),
            Site::Configuration(service) => (method == Method::GET).then(|| Route::Configuration {
                service: service.clone(),
            }),
        };
        route.unwrap_or(Route::Unknown)
    }

    pub(super) fn operation(&self) -> Option<Operation> {
        let verb = match self {
            Route::InstanceDiscovery | Route::OpenIdConfiguration { .. } => {
                return Some(Operation::Discovery);
            }
            Route::SignIn { .. } => return Some(Operation::SignIn),
            Route::Configuration { .. } => return Some(Operation::Configuration),
            Route::Unknown => return None,
            Route::Arm(route) => route.verb,
        };
        Some(match verb {
            Verb::Metadata => Operation::Metadata,
            Verb::Tenants | Verb::Subscriptions | Verb::Subscription => Operation::Subscriptions,
            Verb::ResourceGraph => Operation::ResourceGraph,
            Verb::SubscriptionServices | Verb::GroupServices => Operation::ListServices,
            Verb::Service => Operation::GetService,
            Verb::Gateways => Operation::ListGateways,
            Verb::Gateway => Operation::GetGateway,
            Verb::GatewayApis => Operation::ListApis,
            Verb::GenerateToken => Operation::GenerateToken,
            Verb::ListKeys => Operation::ListKeys,
            Verb::RegenerateKey => Operation::RegenerateKey,
            Verb::Permissions => Operation::Permissions,
        })
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

/// ARM ignores the case of the fixed parts of a path, and of names.
fn arm(method: &Method, segments: &[String]) -> Option<Route> {
    let lower: Vec<String> = segments.iter().map(|segment| segment.to_lowercase()).collect();
    let parts: Vec<&str> = lower.iter().map(String::as_str).collect();
    let verb = match (method.as_str(), parts.as_slice()) {
        ("GET", ["metadata", "endpoints"]) => Verb::Metadata,
        ("GET", ["tenants"]) => Verb::Tenants,
        ("GET", ["subscriptions"]) => Verb::Subscriptions,
        ("GET", ["subscriptions", _]) => Verb::Subscription,
        ("POST", ["providers", "microsoft.resourcegraph", "resources"]) => Verb::ResourceGraph,
        ("GET", [.., "providers", "microsoft.authorization", "permissions"]) => Verb::Permissions,
        (
            "GET",
            [
                "subscriptions",
                _,
                "providers",
                "microsoft.apimanagement",
                "service",
            ],
        ) => Verb::SubscriptionServices,
        (
            method,
            [
                "subscriptions",
                _,
                "resourcegroups",
                _,
                "providers",
                "microsoft.apimanagement",
                "service",
                rest @ ..,
            ],
        ) => match (method, rest) {
            ("GET", []) => Verb::GroupServices,
            ("GET", [_]) => Verb::Service,
            ("GET", [_, "gateways"]) => Verb::Gateways,
            ("GET" | "HEAD", [_, "gateways", _]) => Verb::Gateway,
            ("GET", [_, "gateways", _, "apis"]) => Verb::GatewayApis,
            ("POST", [_, "gateways", _, "generatetoken"]) => Verb::GenerateToken,
            ("POST", [_, "gateways", _, "listkeys"]) => Verb::ListKeys,
            ("POST", [_, "gateways", _, "regeneratekey"]) => Verb::RegenerateKey,
            _ => return None,
        },
        _ => return None,
    };
    let length = match verb {
        Verb::Permissions => segments.len() - 3,
        Verb::GatewayApis | Verb::GenerateToken | Verb::ListKeys | Verb::RegenerateKey => segments.len() - 1,
        _ => segments.len(),
    };
    let target = &segments[..length];
    Some(Route::Arm(ArmRoute {
        verb,
        names: names(target),
        scope: format!("/{}", target.join("/")),
    }))
}

/// The names in an ARM id: each follows the word for its type.
fn names(id: &[String]) -> Gateway {
    let after = |index: usize, word: &str| {
        let found = id
            .get(index)
            .is_some_and(|segment| segment.eq_ignore_ascii_case(word));
        found
            .then(|| id.get(index + 1))
            .flatten()
            .cloned()
            .unwrap_or_default()
    };
    Gateway {
        subscription: after(0, "subscriptions"),
        resource_group: after(2, "resourceGroups"),
        service: after(6, "service"),
        name: after(8, "gateways"),
    }
}

#[cfg(test)]
mod tests {
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
