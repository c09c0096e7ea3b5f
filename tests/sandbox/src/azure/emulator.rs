//! The state of Azure, which the listeners share, and the effect of a request on it.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;

use super::access::{Claims, Issuer};
use super::clock::Clock;
use super::directory::Directory;
use super::exchange::Call;
use super::fault::Faults;
use super::inventory::Inventory;
use super::managed::Machines;
use super::reply::Reply;
use super::request::RequestLog;
use super::roles::Authorization;
use super::route::Route;
use super::throttle::Throttle;
use super::{arm, configuration, entra, graph, issuer};

/// How a request takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Plain,
    /// As it should be, only that a new gateway token is signed with no key of Azure's.
    RefusedToken,
}

/// Everything that requests change.
pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) directory: Directory,
    pub(super) authorization: Authorization,
    pub(super) inventory: Inventory,
    pub(super) machines: Machines,
    pub(super) throttle: Throttle,
    pub(super) faults: Faults,
    pub(super) requests: RequestLog,
}

impl State {
    /// Ends the changes of services whose time has come.
    pub(super) fn settle(&mut self) {
        let now = self.clock.now();
        self.inventory.settle(&mut self.directory, now);
    }
}

pub(super) struct Emulator {
    /// The TLS listener.
    pub(super) addr: SocketAddr,
    /// The URL of the TLS listener, `https://localhost:PORT`.
    pub(super) direct: String,
    pub(super) issuer: Issuer,
    state: Mutex<State>,
}

impl Emulator {
    pub(super) fn new(addr: SocketAddr) -> anyhow::Result<Emulator> {
        let state = State {
            clock: Clock::start(),
            directory: Directory::default(),
            authorization: Authorization::default(),
            inventory: Inventory::default(),
            machines: Machines::default(),
            throttle: Throttle::default(),
            faults: Faults::default(),
            requests: RequestLog::default(),
        };
        Ok(Emulator {
            addr,
            direct: format!("https://localhost:{}", addr.port()),
            issuer: Issuer::generate()?,
            state: Mutex::new(state),
        })
    }

    /// The state; it survives a panic elsewhere, which fails its own test.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.state().clock.now()
    }

    pub(super) fn claims(&self, access_token: &str) -> Option<Claims> {
        self.issuer.claims(access_token)
    }

    /// Does what a request asks for, all of it at one moment.
    pub(super) fn effect(&self, call: &Call, effect: Effect) -> Reply {
        let mut state = self.state();
        state.settle();
        match &call.route {
            Route::InstanceDiscovery => entra::instance_discovery(self, &state, call),
            Route::OpenIdConfiguration { tenant } => entra::openid_configuration(&state, call, tenant),
            Route::SignIn { tenant } => entra::sign_in(self, &state, call, tenant),
            Route::Configuration { service } => configuration::answer(&mut state, call, service),
            Route::Arm(route) => arm::answer(self, &mut state, call, route, effect),
            Route::Graph(route) => graph::answer(&mut state, self, call, route),
            Route::Issuer(document) => issuer::answer(&state, call, document),
            Route::Unknown => unknown(call),
        }
    }

    /// An answer that a fault gives instead, with the headers that ARM adds to those of its providers.
    pub(super) fn instead(&self, call: &Call, reply: Reply) -> Reply {
        match &call.route {
            Route::Arm(route) => arm::in_its_place(self, &mut self.state(), call, route, reply),
            _ => reply,
        }
    }
}

fn unknown(call: &Call) -> Reply {
    let message = format!(
        "The emulator has no answer for {} {}{}.",
        call.method, call.base, call.path
    );
    Reply::error(StatusCode::NOT_FOUND, "NotEmulated", &message)
}
