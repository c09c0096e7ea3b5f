//! Entra: discovery and the token endpoint.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::access::{LIFETIME, Subject};
use super::assertion::Check;
use super::cloud::{Cloud, Site, audiences};
use super::directory::Client;
use super::emulator::{Emulator, State};
use super::exchange::{Call, form};
use super::reply::Reply;

/// Answers which hosts are authorities, and where a tenant's `OpenID` configuration is.
///
/// Clients ask the public cloud's authority about one that they do not know, and leave out its port.
pub(super) fn instance_discovery(emulator: &Emulator, state: &State, call: &Call) -> Reply {
    let asked = call.parameter("authorization_endpoint").unwrap_or_default();
    let rest = asked.strip_prefix("https://").unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.split(':').next().unwrap_or_default();
    let base = match Site::of(host) {
        Some(Site::Authority(cloud)) => format!("https://{}", cloud.authority()),
        Some(Site::Direct) => emulator.direct.clone(),
        _ => {
            let failure = Failure {
                status: StatusCode::BAD_REQUEST,
                error: "invalid_instance",
                code: 50049,
                message: "Unknown or invalid instance.".to_owned(),
            };
            return failure.reply(state.clock.now(), call);
        }
    };
    let tenant = path.split('/').next().unwrap_or_default();
    let known = Cloud::ALL.map(|cloud| alias(cloud.authority()));
    let direct = alias(emulator.direct.trim_start_matches("https://"));
    let metadata: Vec<Value> = known.into_iter().chain([direct]).collect();
    ok(&json!({
        "tenant_discovery_endpoint": format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": metadata,
    }))
}

fn alias(host: &str) -> Value {
    json!({"preferred_network": host, "preferred_cache": host, "aliases": [host]})
}

pub(super) fn openid_configuration(state: &State, call: &Call, tenant: &str) -> Reply {
    if !is_meta(tenant) && !state.directory.has_tenant(tenant) {
        return unknown_tenant(tenant).reply(state.clock.now(), call);
    }
    let authority = format!("{}/{tenant}", call.base);
    let cloud = call.site.as_ref().map_or(Cloud::Public, Site::cloud);
    ok(&json!({
        "token_endpoint": format!("{authority}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{authority}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{authority}/v2.0"),
        "authorization_endpoint": format!("{authority}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{authority}/oauth2/v2.0/devicecode"),
        "end_session_endpoint": format!("{authority}/oauth2/v2.0/logout"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": cloud.authority().trim_start_matches("login."),
        "msgraph_host": cloud.graph(),
    }))
}

pub(super) fn sign_in(emulator: &Emulator, state: &State, call: &Call, tenant: &str) -> Reply {
    let now = state.clock.now();
    match authenticate(emulator, state, call, tenant) {
        Ok((subject, audience)) => ok(&json!({
            "token_type": "Bearer",
            "expires_in": LIFETIME.as_secs(),
            "ext_expires_in": LIFETIME.as_secs(),
            "access_token": emulator.issuer.issue(subject, &audience, now),
        })),
        Err(failure) => failure.reply(now, call),
    }
}

/// Checks a request for a token, and gives whose token it is and the audience.
///
/// The order is Entra's for an unknown tenant, an unknown application and its credential; the rest is not documented.
fn authenticate(
    emulator: &Emulator,
    state: &State,
    call: &Call,
    tenant: &str,
) -> Result<(Subject, String), Failure> {
    let fields = form(&call.body);
    let field = |name: &str| {
        fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let required = |name: &str| {
        let value = field(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| missing_parameter(name))
    };
    let client_id = required("client_id")?;
    if required("grant_type")? != "client_credentials" {
        return Err(Failure {
            status: StatusCode::BAD_REQUEST,
            error: "unsupported_grant_type",
            code: 70003,
            message: "The app requested an unsupported grant type.".to_owned(),
        });
    }
    if !state.directory.has_tenant(tenant) {
        return Err(unknown_tenant(tenant));
    }
    let now = state.clock.now();
    let client = state.directory.client(client_id, tenant, now);
    let client = client.ok_or_else(|| unknown_app(client_id, tenant))?;
    let audience = audience(required("scope")?, emulator, call)?;
    let check = Check {
        client: &client,
        directory: &state.directory,
        token_url: format!("{}/{tenant}/oauth2/v2.0/token", call.base),
        now,
    };
    match (field("client_secret"), field("client_assertion")) {
        (Some(secret), _) => check_secret(&client, secret, now)?,
        (None, Some(assertion)) => check.assertion(assertion)?,
        (None, None) => return Err(missing_credential()),
    }
    Ok((admit(state, &client, tenant)?, audience))
}

/// Whose token a client gets that has proved who it is.
///
/// The codes are Entra's. The status and the `error` of a disabled application and of conditional access are not
/// documented.
fn admit(state: &State, client: &Client<'_>, tenant: &str) -> Result<Subject, Failure> {
    let (app_id, name) = (client.app_id, client.display_name);
    let principal = client.service_principal.ok_or_else(|| {
        let message = format!(
            "The client application {app_id} is missing service principal in the tenant {tenant}. See instructions \
             here: https://go.microsoft.com/fwlink/?linkid=2225119"
        );
        Failure {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_client",
            code: 7_000_229,
            message,
        }
    })?;
    if client.disabled {
        return Err(Failure {
            status: StatusCode::BAD_REQUEST,
            error: "unauthorized_client",
            code: 7_000_112,
            message: format!("Application '{app_id}'({name}) is disabled."),
        });
    }
    let blocked = state.directory.tenant(tenant).blocked_by_conditional_access;
    if blocked.iter().any(|id| id.eq_ignore_ascii_case(app_id)) {
        return Err(Failure {
            status: StatusCode::BAD_REQUEST,
            error: "invalid_grant",
            code: 53003,
            message: "Access has been blocked by Conditional Access policies. The access policy does not allow token \
                      issuance."
                .to_owned(),
        });
    }
    Ok(Subject {
        tenant: principal.tenant.clone(),
        client_id: app_id.to_owned(),
        object_id: principal.id.clone(),
        is_user: false,
    })
}

fn missing_credential() -> Failure {
    Failure {
        status: StatusCode::UNAUTHORIZED,
        error: "invalid_client",
        code: 7_000_218,
        message:
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
                .to_owned(),
    }
}

fn check_secret(client: &Client<'_>, secret: &str, now: Timestamp) -> Result<(), Failure> {
    let client_id = client.app_id;
    let mut matching = client
        .passwords
        .iter()
        .filter(|it| it.secret == secret)
        .peekable();
    // Entra reports that a secret has expired only to a client that has it.
    let (code, message) = if matching.peek().is_none() {
        let message = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
             value, not the client secret ID, for a secret added to app \"{client_id}\"."
        );
        (7_000_215, message)
    } else if matching.all(|it| it.end <= now) {
        let message = format!(
            "The provided client secret keys for app \"{client_id}\" are expired. Visit the Azure portal to create \
             new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for \
             added security: https://aka.ms/certCreds."
        );
        (7_000_222, message)
    } else {
        return Ok(());
    };
    Err(Failure {
        status: StatusCode::UNAUTHORIZED,
        error: "invalid_client",
        code,
        message,
    })
}

/// The audience of a scope `{audience}/.default`; the Azure CLI's audience ends with a slash that it keeps.
fn audience(scope: &str, emulator: &Emulator, call: &Call) -> Result<String, Failure> {
    let asked = scope.split(' ').find_map(|scope| scope.strip_suffix("/.default")).ok_or_else(|| Failure {
        status: StatusCode::BAD_REQUEST,
        error: "invalid_scope",
        code: 1_002_012,
        message: format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
             /.default suffixed to the resource identifier (application ID URI)."
        ),
    })?;
    let site = call.site.as_ref().unwrap_or(&Site::Direct);
    let known = audiences(site, &emulator.direct);
    if known
        .iter()
        .any(|audience| audience.eq_ignore_ascii_case(asked.trim_end_matches('/')))
    {
        return Ok(asked.to_owned());
    }
    Err(Failure {
        status: StatusCode::BAD_REQUEST,
        error: "invalid_resource",
        code: 500_011,
        message: format!(
            "The resource principal named {asked} was not found in the tenant named Sandbox. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in \
             the tenant. You might have sent your authentication request to the wrong tenant."
        ),
    })
}

/// The placeholders for a tenant that is not known yet.
fn is_meta(tenant: &str) -> bool {
    ["common", "organizations", "consumers"].contains(&tenant)
}

fn unknown_tenant(tenant: &str) -> Failure {
    let message = format!(
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the \
         correct cloud. Check with your subscription administrator, this may happen if there are no active \
         subscriptions for the tenant."
    );
    Failure {
        status: StatusCode::BAD_REQUEST,
        error: "invalid_request",
        code: 90002,
        message,
    }
}

fn unknown_app(client_id: &str, tenant: &str) -> Failure {
    let message = format!(
        "Application with identifier '{client_id}' was not found in the directory \"{tenant}\". This can happen if \
         the application has not been installed by the administrator of the tenant or consented to by any user in \
         the tenant. You may have sent your authentication request to the wrong tenant."
    );
    Failure {
        status: StatusCode::BAD_REQUEST,
        error: "unauthorized_client",
        code: 700_016,
        message,
    }
}

fn missing_parameter(name: &str) -> Failure {
    let message = format!("The request body must contain the following parameter: '{name}'.");
    Failure {
        status: StatusCode::BAD_REQUEST,
        error: "invalid_request",
        code: 900_144,
        message,
    }
}

/// An error of Entra.
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) code: u32,
    pub(super) message: String,
}

impl Failure {
    /// Entra's envelope. Its description holds line breaks, which a parser that borrows strings cannot read.
    fn reply(self, now: jiff::Timestamp, call: &Call) -> Reply {
        let Failure {
            status,
            error,
            code,
            message,
        } = self;
        let trace_id = Uuid::new_v4().to_string();
        let correlation_id = call
            .headers
            .get("client-request-id")
            .and_then(|id| id.to_str().ok());
        let correlation_id = correlation_id.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
        let timestamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let description = format!(
            "AADSTS{code}: {message}\r\nTrace ID: {trace_id}\r\nCorrelation ID: {correlation_id}\r\nTimestamp: \
             {timestamp}"
        );
        let body = json!({
            "error": error,
            "error_description": description,
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": format!("{}/error?code={code}", call.base),
        });
        uncached(Reply::json(status, &body))
    }
}

fn ok(body: &Value) -> Reply {
    uncached(Reply::json(StatusCode::OK, body))
}

fn uncached(reply: Reply) -> Reply {
    reply.header(CACHE_CONTROL, "no-store, no-cache").header(
        HeaderName::from_static("x-ms-ests-server"),
        "2.1.0 - SANDBOX ProdSlices",
    )
}
