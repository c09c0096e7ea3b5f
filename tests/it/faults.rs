//! Every request of a rotation, disturbed in every way that a network or a server has: the run ends
//! in time, its exit code is true, the observer sees no broken rule, and one further run is enough.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::wire::{Action, Fault, Wire};
use futures::{FutureExt as _, StreamExt as _, stream};
use http::Method;

use crate::case::{Case, DAY};

/// What is given as `--timeout`, and how much later a run may end.
const TIMEOUT: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(5);

const ROTATION_ID: &str = "apim-rotate/rotation-id";

/// How many cells run at once. Most of the time of the slow ones is waiting.
const AT_ONCE: usize = 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    Kubernetes,
    Azure,
}

/// A request of the rotation of `gw`.
struct Request {
    name: &'static str,
    server: Server,
    method: Method,
    /// Part of its URI, in which `{}` is the name of the Deployment.
    uri: &'static str,
    /// Without pods there is nothing to list and no log.
    replicas: u32,
}

fn requests() -> Vec<Request> {
    let request = |name, server, method, uri| Request {
        name,
        server,
        method,
        uri,
        replicas: 0,
    };
    let kubernetes = |name, method, uri| request(name, Server::Kubernetes, method, uri);
    let azure = |name, method, uri| request(name, Server::Azure, method, uri);
    let with_pods = |request| Request {
        replicas: 1,
        ..request
    };
    vec![
        kubernetes("reading the workload", Method::GET, "/deployments/{}"),
        kubernetes("reading the Secret", Method::GET, "/secrets/{}-token"),
        kubernetes(
            "rehearsing the write",
            Method::PATCH,
            "/secrets/{}-token?&dryRun=All",
        ),
        kubernetes(
            "rehearsing the restart",
            Method::PATCH,
            "/deployments/{}?&dryRun=All",
        ),
        azure("signing in", Method::POST, "/oauth2/v2.0/token"),
        azure("minting", Method::POST, "/generateToken"),
        kubernetes("writing", Method::PATCH, "/secrets/{}-token?&fieldManager"),
        kubernetes("restarting", Method::PATCH, "/deployments/{}?&fieldManager"),
        with_pods(kubernetes("listing pods", Method::GET, "/pods?")),
        with_pods(kubernetes("reading a log", Method::GET, "/log?")),
    ]
}

/// What happens to it; the slow ones come first.
fn disturbances() -> Vec<(&'static str, Fault)> {
    let always = |action| Fault::on("", action);
    let fault = |action| always(action).once();
    vec![
        ("hang before", fault(Action::Hang)),
        ("hang after", fault(Action::Hang).after_effect()),
        ("drip", fault(Action::Drip)),
        ("reset after, always", always(Action::Reset).after_effect()),
        ("503 after, always", always(Action::status(503)).after_effect()),
        ("429, always", always(Action::throttle(None))),
        ("delay before", fault(Action::Delay(Duration::from_secs(2)))),
        (
            "delay after",
            fault(Action::Delay(Duration::from_secs(2))).after_effect(),
        ),
        ("refuse", fault(Action::Refuse)),
        ("reset before", fault(Action::Reset)),
        ("reset after", fault(Action::Reset).after_effect()),
        ("cut header", fault(Action::CutHeader)),
        ("cut body", fault(Action::CutBody)),
        ("duplicate", fault(Action::Duplicate)),
        ("answered twice", fault(Action::AnswerTwice)),
        ("html", fault(Action::html())),
        ("html after", fault(Action::html()).after_effect()),
        ("wrong types", fault(Action::wrong_types())),
        ("wrong types after", fault(Action::wrong_types()).after_effect()),
        ("empty", fault(Action::empty())),
        ("429", fault(Action::throttle(None))),
        ("429 with a wait", fault(Action::throttle(Some(1)))),
        ("429 as Status", fault(Action::retry_after(429, 1))),
        ("503 before", fault(Action::status(503))),
        ("503 after", fault(Action::status(503)).after_effect()),
    ]
}

/// One gateway with one fault on its way.
struct Cell<'a> {
    case: &'a Case,
    request: &'a Request,
    disturbance: &'static str,
    fault: Fault,
    name: String,
}

impl Cell<'_> {
    async fn wire(&self) -> Wire {
        let wire = match self.request.server {
            Server::Kubernetes => self.case.sandbox.wire(&self.case.kubeconfig_path()).await,
            Server::Azure => self.case.azure().wire().await,
        };
        let wire = wire.unwrap();
        let fault = self.fault.clone().method(self.request.method.clone());
        wire.fault(fault.of(&self.uri()));
        wire
    }

    fn uri(&self) -> String {
        self.request.uri.replace("{}", &self.name)
    }

    fn line(&self) -> Vec<String> {
        let gateway = &self.case.gateway;
        let line = format!(
            "rotate deploy/{} --if-expiring-within 3d --prove logs -s {} -r {} -a {} -g {} --timeout {}s",
            self.name,
            gateway.subscription,
            gateway.resource_group,
            gateway.service,
            gateway.name,
            TIMEOUT.as_secs(),
        );
        line.split(' ').map(str::to_owned).collect()
    }

    /// Whether the credential is new and the workload was restarted for it.
    async fn is_done(&self, manifest: &GatewayManifest) -> bool {
        let credential = self.case.credential(manifest).await;
        let life = self
            .case
            .azure()
            .judge(&credential)
            .map(|accepted| accepted.expires - self.case.azure().now());
        let is_new = life.is_ok_and(|life| life.total(jiff::Unit::Hour).unwrap() > 72.0);
        let id = self.case.annotation(manifest, ROTATION_ID).await;
        let marks = self.case.template_annotations(&self.name).await;
        is_new && id.is_some() && marks.get(ROTATION_ID) == id.as_ref()
    }

    async fn holds(&self) {
        let token = self.case.token(Slot::Primary, DAY * 2);
        let manifest = GatewayManifest::portal(&self.name, &self.case.endpoint(), &token);
        let manifest = manifest.replicas(self.request.replicas);
        self.case.deploy(&manifest).await;
        let wire = self.wire().await;
        let line = self.line();
        let line: Vec<&str> = line.iter().map(String::as_str).collect();

        let begun = Instant::now();
        let ended = self.case.apim(&line).through(&wire).start().await.ended().await;
        let took = begun.elapsed();
        let has_come = !wire.seen_of(&self.request.method, &self.uri()).is_empty();
        assert!(
            has_come,
            "no such request: {:#?}
{ended:?}",
            wire.seen()
        );
        assert!(took < TIMEOUT + GRACE, "it took {took:?}: {ended:?}");
        let code = ended.code.unwrap_or_default();
        assert!(ended.code.is_some() && [0, 1, 3, 7].contains(&code), "{ended:?}");
        let is_untouched = self.case.credential(&manifest).await == token;
        assert!(
            code != 1 || is_untouched,
            "exit code 1, and something was written: {ended:?}"
        );
        assert!(
            code != 0 || self.is_done(&manifest).await,
            "exit code 0, and it is not done: {ended:?}"
        );

        let again = self.case.apim(&line).start().await.ended().await;
        assert_eq!(again.code, Some(0), "the further run: {again:?}\nafter {ended:?}");
        assert!(
            self.is_done(&manifest).await,
            "it is not done: {again:?}\nafter {ended:?}"
        );
    }
}

#[tokio::test]
async fn every_request_survives_every_fault() {
    let requests = requests();
    let mut cases = Vec::new();
    for number in 0..requests.len() {
        cases.push(Case::new(&format!("faults-{number}")).await);
    }
    let mut cells = Vec::new();
    for (number, (disturbance, fault)) in disturbances().into_iter().enumerate() {
        for (case, request) in cases.iter().zip(&requests) {
            cells.push(Cell {
                case,
                request,
                disturbance,
                fault: fault.clone(),
                name: format!("gw-{number}"),
            });
        }
    }
    let count = cells.len();
    let results = stream::iter(cells).map(|cell| async move {
        let held = AssertUnwindSafe(cell.holds()).catch_unwind().await;
        held.err().map(|panic| {
            let why = panic
                .downcast::<String>()
                .map_or_else(|_| "it panicked".to_owned(), |why| *why);
            format!("{}, {}: {why}", cell.request.name, cell.disturbance)
        })
    });
    let failed: Vec<_> = results
        .buffer_unordered(AT_ONCE)
        .filter_map(async |why| why)
        .collect()
        .await;
    assert!(
        failed.is_empty(),
        "{} of {count} cells:\n{}",
        failed.len(),
        failed.join("\n\n")
    );
}
