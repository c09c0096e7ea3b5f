//! An emulator of Entra, Microsoft Graph, Azure Resource Manager and the gateway configuration endpoint.
//!
//! One TLS listener answers for every host name of Azure that the plugin talks to. A client reaches it in one of two
//! ways: by [`Azure::url`], where the path distinguishes Entra and ARM, or under the real host names through
//! [`Azure::proxy_url`]. Either way it must trust [`Azure::ca_pem`]. The emulator has a clock of its own, does what a
//! [`Fault`] sets, and keeps a log of every [`Request`].
//!
//! Wire forms, error envelopes and limits follow the REST reference of Azure; where that is silent, the item that had
//! to choose documents its choice.

mod access;
mod admin;
mod arm;
mod assertion;
mod certificate;
mod clock;
mod cloud;
mod configuration;
mod directory;
mod emulator;
mod entra;
mod entra_setup;
mod exchange;
mod fault;
mod federation;
mod graph;
mod identity;
mod instance;
mod inventory;
mod issuer;
mod managed;
mod operation;
mod proxy;
mod reply;
mod request;
mod roles;
mod route;
mod server;
mod throttle;
mod token;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use self::cloud::Cloud;
pub use self::configuration::GATEWAY_NAME;
pub use self::directory::{
    AppRoleAssignment, Application, Directory, FederatedIdentityCredential, GraphRights, KeyCredential, Lag,
    ManagedIdentity, PasswordCredential, ServicePrincipal, Tenant, User,
};
pub use self::fault::{Action, Fault};
pub use self::identity::{FederatedCredential, Grant, Principal};
pub use self::instance::{InstanceIdentity, SystemIdentity};
pub use self::inventory::{Gateway, Presentations, Slot};
pub use self::managed::Machine;
pub use self::operation::Operation;
pub use self::request::Request;
pub use self::roles::{Authorization, LockLevel, Permission, RoleAssignment, RoleDefinition};
pub(crate) use self::server::Front;
pub use self::token::{Acceptance, Refusal};

use self::certificate::Identity;
use self::emulator::Emulator;
use self::server::Server;
use crate::wire::{Upstream, Wire};

/// A running emulator.
///
/// The handle is cheap to clone; the listeners end with the last one.
#[derive(Clone)]
pub struct Azure {
    emulator: Arc<Emulator>,
    addresses: Arc<Addresses>,
    tls: TlsAcceptor,
    /// `None` in the handle of the admin endpoint, which must not keep itself alive.
    _listeners: Option<Arc<JoinSet<()>>>,
}

struct Addresses {
    ca_pem: String,
    proxy: SocketAddr,
    admin: SocketAddr,
    managed: SocketAddr,
}

impl Azure {
    /// Starts an emulator without gateways and principals on the current Tokio runtime.
    pub async fn start() -> anyhow::Result<Azure> {
        // An error means that a provider is already installed, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Identity { ca_pem, server } = Identity::generate()?;
        let [tls, proxy, admin] = [bind().await?, bind().await?, bind().await?];
        let managed = bind().await?;
        let emulator = Arc::new(Emulator::new(tls.local_addr()?)?);
        let addresses = Addresses {
            ca_pem,
            proxy: proxy.local_addr()?,
            admin: admin.local_addr()?,
            managed: managed.local_addr()?,
        };
        let server = Server {
            emulator: emulator.clone(),
            tls: TlsAcceptor::from(server),
        };
        let inner = Azure {
            emulator,
            addresses: Arc::new(addresses),
            tls: server.tls.clone(),
            _listeners: None,
        };
        let plain = [
            (admin, admin::router(inner.clone())),
            (managed, managed::router(inner.clone())),
        ];

        let mut listeners = JoinSet::new();
        listeners.spawn(server.clone().listen(tls));
        listeners.spawn(proxy::listen(server, proxy));
        for (listener, router) in plain {
            listeners.spawn(async move {
                // The server ends with the task and has no error of its own.
                let _ = axum::serve(listener, router).await;
            });
        }
        Ok(Azure {
            _listeners: Some(Arc::new(listeners)),
            ..inner
        })
    }

    /// The URL under which the emulator is Entra and ARM at once, `https://localhost:PORT`.
    pub fn url(&self) -> String {
        self.emulator.direct.clone()
    }

    /// The address of the TLS listener.
    pub fn addr(&self) -> SocketAddr {
        self.emulator.addr
    }

    /// The URL of an HTTP proxy that knows the emulated hosts and no others; for `HTTPS_PROXY`.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.addresses.proxy)
    }

    /// The URL of the admin endpoint for scripts, which uses JSON over plain HTTP.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.addresses.admin)
    }

    /// The endpoint of managed identities in the form of App Service; for `IDENTITY_ENDPOINT`.
    pub fn identity_endpoint(&self) -> String {
        format!("http://{}/msi/token", self.addresses.managed)
    }

    /// The endpoint of managed identities in the form of a VM, for the newest machine.
    pub fn metadata_endpoint(&self) -> String {
        format!("http://{}/metadata/identity/oauth2/token", self.addresses.managed)
    }

    /// The certificate authority to trust, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.addresses.ca_pem
    }

    /// A client that trusts the emulator and reaches every emulated host by its real name.
    pub fn client(&self) -> anyhow::Result<reqwest::Client> {
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(self.ca_pem().as_bytes())?])
            .proxy(reqwest::Proxy::https(self.proxy_url())?)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        client.context("cannot build a client for the emulator")
    }

    /// A proxy like [`Azure::proxy_url`] that disturbs the requests of one test.
    pub async fn wire(&self) -> anyhow::Result<Wire> {
        let front = Front(Server {
            emulator: self.emulator.clone(),
            tls: self.tls.clone(),
        });
        Wire::start(Upstream::Azure(front), |address| {
            Ok(("HTTPS_PROXY", format!("http://{address}")))
        })
        .await
    }

    /// Adds a gateway with new keys, and the subscription, group and service that it needs; one that exists stays.
    ///
    /// A gateway with an empty name adds the service alone.
    pub fn add_gateway(&self, gateway: &Gateway) {
        self.emulator.state().inventory.add(gateway);
    }

    /// Moves the service of a gateway to another resource group or subscription, as `az resource move` does.
    ///
    /// Returns the gateway there. Its keys stay. The service must have been added.
    pub fn move_service(&self, gateway: &Gateway, subscription: &str, resource_group: &str) -> Gateway {
        let moved = Gateway::new(subscription, resource_group, &gateway.service, &gateway.name);
        known(self.emulator.state().inventory.move_service(gateway, &moved));
        moved
    }

    /// Sets the location of a gateway; the default is `sandbox`.
    ///
    /// The gateway must have been added.
    pub fn set_location(&self, gateway: &Gateway, location: &str) {
        location.clone_into(&mut known(self.emulator.state().inventory.gateway_mut(gateway)).location);
    }

    /// Assigns an API to a gateway, which must have been added.
    pub fn assign_api(&self, gateway: &Gateway, name: &str) {
        let mut state = self.emulator.state();
        let apis = &mut known(state.inventory.gateway_mut(gateway)).apis;
        apis.insert(name.to_owned());
    }

    /// Sets the tier of a gateway's service, which is `Developer` otherwise; it changes nothing else.
    ///
    /// The service must have been added.
    pub fn set_tier(&self, gateway: &Gateway, tier: &str) {
        tier.clone_into(&mut known(self.emulator.state().inventory.service_mut(gateway)).tier);
    }

    /// Sets the oldest API version that a gateway's service takes.
    ///
    /// The service must have been added.
    pub fn set_min_api_version(&self, gateway: &Gateway, version: &str) {
        let mut state = self.emulator.state();
        known(state.inventory.service_mut(gateway)).min_api_version = Some(version.to_owned());
    }

    /// Limits how many rows Resource Graph gives at once, so that more of them take more pages.
    pub fn set_query_page(&self, rows: usize) {
        self.emulator.state().inventory.largest_query_page = Some(rows);
    }

    /// Takes versions away from API Management's API: a cloud gets new ones late.
    pub fn remove_api_versions(&self, versions: &[&str]) {
        let absent = versions.iter().map(|&version| version.to_owned());
        self.emulator.state().inventory.absent_versions = absent.collect();
    }

    /// Adds a principal, or replaces the one with its client id.
    pub fn add_principal(&self, principal: Principal) {
        self.emulator.state().directory.add(principal);
    }

    /// Adds a machine with its identities; returns the value of its `IDENTITY_HEADER`.
    pub fn add_machine(&self, machine: Machine) -> String {
        let header = uuid::Uuid::new_v4().to_string();
        self.emulator.state().machines.add(header.clone(), machine);
        header
    }

    /// Registers the keys of another issuer of tokens as a JWK set, which Entra would fetch from the issuer.
    pub fn trust_issuer(&self, issuer: &str, keys: serde_json::Value) {
        self.emulator.state().directory.trust(issuer, keys);
    }

    /// Mints a token without a request and with any expiry, so that tests can have expired ones.
    ///
    /// The gateway must have been added.
    pub fn mint(&self, gateway: &Gateway, slot: Slot, expires: Timestamp) -> String {
        let state = self.emulator.state();
        let record = known(state.inventory.gateway(gateway));
        record.keys.mint(&record.names.name, slot, expires)
    }

    /// Whether the configuration endpoint of the gateway's service would accept a token now.
    pub fn accepts(&self, token: &str) -> bool {
        self.judge(token).is_ok()
    }

    /// How the configuration endpoint would judge a token now.
    pub fn judge(&self, token: &str) -> Result<Acceptance, Refusal> {
        let state = self.emulator.state();
        token::judge(&state.inventory, None, token, state.clock.now())
    }

    /// Whether a token is refused because the test wanted it: by [`Action::RefusedToken`] or [`Azure::regenerate`].
    pub fn is_spoiled(&self, token: &str) -> bool {
        token::is_spoiled(&self.emulator.state().inventory, token)
    }

    /// Regenerates a gateway's key, which invalidates the tokens of the old one; false if there is no such gateway.
    pub fn regenerate(&self, gateway: &Gateway, slot: Slot) -> bool {
        let mut state = self.emulator.state();
        let Some(record) = state.inventory.gateway_mut(gateway) else {
            return false;
        };
        record.keys.spoil(slot);
        true
    }

    /// How often credentials of a gateway were presented to the configuration endpoint.
    pub fn presentations(&self, gateway: &Gateway) -> Presentations {
        let state = self.emulator.state();
        state
            .inventory
            .gateway(gateway)
            .map(|record| record.presentations)
            .unwrap_or_default()
    }

    /// The time by the emulator's clock.
    pub fn now(&self) -> Timestamp {
        self.emulator.now()
    }

    /// Sets how far the emulator's clock is ahead of the machine's.
    pub fn set_clock_offset(&self, offset: SignedDuration) {
        self.emulator.state().clock.set_offset(offset);
    }

    /// Moves the emulator's clock from where it is.
    pub fn advance_clock(&self, by: SignedDuration) {
        self.emulator.state().clock.advance(by);
    }

    /// Stops the emulator's clock, which then moves only when it is set.
    pub fn stop_clock(&self) {
        self.emulator.state().clock.stop();
    }

    /// Switches the refusals of the token buckets on or off; what is left in them is always reported.
    pub fn enforce_buckets(&self, enforced: bool) {
        self.emulator.state().throttle.enforce(enforced);
    }

    /// Switches the refusals of the token buckets on for one principal.
    pub fn enforce_buckets_for(&self, client_id: &str) {
        self.emulator.state().throttle.enforce_for(client_id);
    }

    /// Adds a fault; the oldest that matches a request is the one that happens.
    pub fn fault(&self, fault: Fault) {
        self.emulator.state().faults.add(fault);
    }

    /// Removes every fault.
    pub fn clear_faults(&self) {
        self.emulator.state().faults.clear();
    }

    /// The requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.requests_where(|_| true)
    }

    /// The requests so far for one operation.
    pub fn requests_for(&self, operation: Operation) -> Vec<Request> {
        self.requests_where(|request| request.operation == Some(operation))
    }

    /// The requests so far that match.
    pub fn requests_where(&self, fits: impl Fn(&Request) -> bool) -> Vec<Request> {
        self.emulator
            .state()
            .requests
            .entries()
            .iter()
            .filter(|request| fits(request))
            .cloned()
            .collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.emulator.state().requests.clear();
    }
}

/// An object that the test must have added before.
fn known<T>(found: Option<T>) -> T {
    found.expect("the gateway was added to the emulator")
}

async fn bind() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    listener.context("cannot listen on 127.0.0.1")
}
