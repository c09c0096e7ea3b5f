//! Issuers of a cluster's tokens that Entra cannot read, or does not know by that name.

use apim_sandbox::azure;
use apim_sandbox::wire::{Action, Answer, Fault};
use serde_json::{Value, json};

use super::EntraCase;

/// A name on a public host that no other test uses.
fn public_name() -> String {
    let [tenant, cluster] = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    format!("https://westeurope.oic.prod-aks.azure.com/{tenant}/{cluster}/")
}

/// Publishes the documents of an issuer, and returns its name.
fn published(entra: &EntraCase, kind: &str) -> String {
    let issuer = public_name();
    let keys: Value =
        json!({"keys": [{"kty": kind, "kid": "k", "use": "sig", "alg": "RS256", "n": "AQAB", "e": "AQAB"}]});
    entra.case.azure().trust_issuer(&issuer, keys);
    issuer
}

/// Sets up a gateway in a cluster that has another issuer.
async fn is_refused(entra: &EntraCase, issuer: &str, why: &str) {
    let kubeconfig = entra.case.kubeconfig_path();
    let wire = entra.case.sandbox.wire(&kubeconfig).await.unwrap();
    let document = json!({"issuer": issuer, "jwks_uri": "https://10.0.0.1/openid/v1/jwks"});
    let answer = Action::Answer(Answer::json(200, &document));
    wire.fault(Fault::on("/.well-known/openid-configuration", answer));
    let flags = ["--create-app", "gw", "--service-account", "gw", "--yes"];
    let asked = [&flags[..], &["--mode", "workload-identity"]].concat();
    let unasked = entra.setup(&flags).through(&wire);
    let asked = entra.setup(&asked).through(&wire);
    let (unasked, asked) = tokio::join!(
        entra.case.fails_untouched(unasked, 2),
        entra.case.fails_untouched(asked, 4)
    );
    let other = "--mode app-certificate or --mode app-secret";
    unasked.says(&["cannot sign in by workload identity", why, other]);
    asked.says(&[why, other]);
    let line = asked
        .stdout
        .lines()
        .find(|line| line.starts_with("! the issuer "));
    assert!(line.is_some_and(|line| line.contains(why)), "{}", asked.stdout);
}

#[tokio::test]
async fn that_entra_cannot_use_is_refused_before_the_first_write() {
    let entra = EntraCase::new("issuer").await;
    entra.deploy(|_| {}).await;
    let azure = entra.case.azure();
    let guarded = published(&entra, "RSA");
    let path = guarded.trim_start_matches("https://westeurope.oic.prod-aks.azure.com");
    azure.fault(azure::Fault::everywhere(azure::Action::status(401)).matching(path));
    let (of_elliptic_curve, known) = (published(&entra, "EC"), published(&entra, "RSA"));
    let unknown = public_name();
    let in_cluster = "is known only inside the cluster";
    tokio::join!(
        is_refused(&entra, "https://kubernetes.default.svc.cluster.local", in_cluster),
        is_refused(&entra, "https://kubernetes.default.svc", in_cluster),
        is_refused(&entra, "http://issuer.example/", "is not https"),
        // Its documents need a sign-in.
        is_refused(&entra, &guarded, "is not public: "),
        is_refused(&entra, &unknown, "is not public: "),
        is_refused(&entra, "https://10.1.2.3:6443", "is not public: "),
        is_refused(&entra, &of_elliptic_curve, "has no RSA key"),
        is_refused(&entra, known.trim_end_matches('/'), "in the last slash"),
    );
    assert!(entra.azure_writes().is_empty());
}
