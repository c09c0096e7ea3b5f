//! Every way of signing in to Azure: the real program against the emulator,
//! up to the last step before a token would be minted.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use apim_sandbox::azure::{FederatedCredential, Grant, Machine, Operation, Principal};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;

use crate::case::Case;
use crate::run::{Ended, Run};

mod certificate;
pub(crate) mod openssl;

const AUDIENCE: &str = "api://AzureADTokenExchange";

impl Case {
    /// A namespace with a gateway.
    async fn with_gateway(name: &str) -> Self {
        let case = Self::new(name).await;
        let manifest = case.portal();
        manifest.apply(&case.client, &case.namespace).await.unwrap();
        case
    }

    /// Another principal with the rights of the case's own, as `change`
    /// leaves it.
    pub(crate) fn another(&self, change: impl FnOnce(&mut Principal)) -> Principal {
        let scope = format!("/subscriptions/{}", self.gateway.subscription);
        let mut principal = Principal::random().with(Grant::token_operator(&scope));
        change(&mut principal);
        self.azure().add_principal(principal.clone());
        principal
    }

    /// A run that signs in and mints nothing, as a principal whose ids are in
    /// variables and whose proof is not.
    fn signs_in(&self, principal: &Principal, arguments: &[&str]) -> Run<'_> {
        let common = ["rotate", "--dry-run=client", "--timeout=1m", "--debug"];
        self.apim(&[&common, arguments].concat())
            .without(&["AZURE_CLIENT_SECRET"])
            .env("AZURE_CLIENT_ID", &principal.client_id)
            .env("AZURE_TENANT_ID", &principal.tenant)
            .env("PATH", "/nonexistent")
    }

    fn sign_ins(&self, principal: &Principal) -> usize {
        let requests = self.azure().requests_where(|request| {
            request.operation == Some(Operation::SignIn)
                && request.principal.as_ref() == Some(&principal.client_id)
                && request.status == Some(200)
        });
        requests.len()
    }
}

/// Checks that stderr contains all of `parts`.
fn says(ended: &Ended, parts: &[&str]) {
    for part in parts {
        assert!(ended.stderr.contains(part), "no `{part}` in\n{}", ended.stderr);
    }
}

#[tokio::test]
async fn an_unusable_secret() {
    let case = Case::with_gateway("secrets").await;
    let secret = case.principal.client_secret.clone();
    let file = case.file("secret", &format!("{secret}\n")).display().to_string();
    let run = |principal: &Principal, arguments: &[&str]| case.signs_in(principal, arguments);

    let ended = run(&case.principal, &["--client-secret-file", &file])
        .exits(0)
        .await;
    says(&ended, &["[auto: client secret in --client-secret-file]"]);
    let ended = run(&case.principal, &["--auth", "service-principal"])
        .env("SP_SECRET", &secret)
        .exits(0)
        .await;
    says(&ended, &["[--auth, client secret in variable SP_SECRET]"]);

    let expired = case.another(|principal| {
        principal.client_secret.clone_from(&secret);
        principal.secret_expired = true;
    });
    let unknown = Principal::new(&case.principal.tenant, &Principal::random().client_id, &secret);
    let elsewhere = Principal {
        tenant: "no-such.example".to_owned(),
        ..case.principal.clone()
    };
    for (principal, given, parts) in [
        (
            &case.principal,
            "wr0ng-s3cret",
            ["AADSTS7000215", "not its id", "chosen by --auth auto"],
        ),
        (
            &expired,
            &secret,
            ["AADSTS7000222", "add a new one", "chosen by --auth auto"],
        ),
        (
            &unknown,
            &secret,
            ["AADSTS700016", "check --client-id", "chosen by --auth auto"],
        ),
        (
            &elsewhere,
            &secret,
            ["AADSTS90002", "check --tenant", "chosen by --auth auto"],
        ),
    ] {
        let ended = run(principal, &[])
            .env("AZURE_CLIENT_SECRET", given)
            .exits(1)
            .await;
        says(&ended, &parts);
        assert!(!ended.stderr.contains("wr0ng"), "{}", ended.stderr);
    }
}

/// A token of the namespace's default ServiceAccount for Entra.
async fn account_token(case: &Case) -> String {
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![AUDIENCE.to_owned()],
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(case.client.clone(), &case.namespace);
    let answer = accounts
        .create_token_request("default", &PostParams::default(), &request)
        .await;
    answer.unwrap().status.unwrap().token
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "each step takes one thing away from the same identity"
)]
async fn a_workload_identity() {
    let case = Case::with_gateway("workload-identity").await;
    let control_plane = case.sandbox.control_plane();
    let issuer = control_plane.service_account_issuer();
    case.azure()
        .trust_issuer(issuer, control_plane.service_account_keys().await.unwrap());
    let subject = format!("system:serviceaccount:{}:default", case.namespace);
    let trusting = |subject: &str| {
        case.another(|principal| {
            principal.federated_credentials = vec![FederatedCredential {
                issuer: issuer.to_owned(),
                subject: subject.to_owned(),
                audience: AUDIENCE.to_owned(),
            }];
        })
    };
    let token = account_token(&case).await;
    let file = case.file("azure-identity-token", &token).display().to_string();
    let run = |principal: &Principal, arguments: &[&str]| {
        case.signs_in(principal, arguments)
            .env("AZURE_FEDERATED_TOKEN_FILE", &file)
            .env("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/")
    };

    let principal = trusting(&subject);
    let ended = run(&principal, &[]).exits(0).await;
    let who = format!("as workload identity {}", principal.client_id);
    says(&ended, &[&who, "[auto: variable AZURE_FEDERATED_TOKEN_FILE]"]);
    shows_no_token(&ended, &token);
    assert_eq!(case.sign_ins(&principal), 1);
    run(&principal, &["--auth", "workload-identity"]).exits(0).await;

    // The hint shows what the federated credential must contain.
    let ended = run(&trusting("system:serviceaccount:other:default"), &[])
        .exits(1)
        .await;
    let expected = format!("issuer {issuer}, subject {subject} and audience {AUDIENCE}");
    says(&ended, &["AADSTS700213", &expected]);
    shows_no_token(&ended, &token);

    let ended = run(&principal, &[])
        .env("AZURE_FEDERATED_TOKEN_FILE", "/no/such/token")
        .exits(1)
        .await;
    says(
        &ended,
        &[
            "/no/such/token: No such file",
            "azure.workload.identity/use: \"true\"",
        ],
    );
    let explicit = ["--auth", "workload-identity"];
    let ended = run(&principal, &explicit)
        .without(&["AZURE_FEDERATED_TOKEN_FILE"])
        .exits(2)
        .await;
    says(
        &ended,
        &[
            "needs the variable AZURE_FEDERATED_TOKEN_FILE",
            "azure.workload.identity/client-id",
        ],
    );
    let ended = run(&principal, &[]).without(&["AZURE_CLIENT_ID"]).exits(2).await;
    says(
        &ended,
        &[
            "needs the variable AZURE_CLIENT_ID",
            "azure.workload.identity/client-id",
        ],
    );
}

/// No part of a token's payload or signature may be shown; its header is not a secret.
fn shows_no_token(ended: &Ended, token: &str) {
    let shown = format!("{}{}", ended.stdout, ended.stderr);
    let (_, secret) = token.split_once('.').unwrap();
    for at in 0..=secret.len() - 8 {
        assert!(
            !shown.contains(&secret[at..at + 8]),
            "a slice of a token is shown"
        );
    }
}

#[tokio::test]
async fn a_managed_identity() {
    let case = Case::with_gateway("managed-identity").await;
    let (own, shared) = (case.another(|_| {}), case.another(|_| {}));
    let header = case.azure().add_machine(Machine {
        system_assigned: Some(own.client_id.clone()),
        user_assigned: vec![shared.client_id.clone()],
    });
    let run = |arguments: &[&str]| {
        case.signs_in(&own, arguments)
            .without(&["AZURE_CLIENT_ID"])
            .env("IDENTITY_ENDPOINT", &case.azure().identity_endpoint())
            .env("IDENTITY_HEADER", &header)
    };
    let ended = run(&[]).exits(0).await;
    let reason = "[auto: variables IDENTITY_ENDPOINT and IDENTITY_HEADER]";
    says(&ended, &["as the managed identity of this machine", reason]);
    assert!(!ended.stderr.contains(&header[..8]), "{}", ended.stderr);
    let ended = run(&["--auth=managed-identity", "-c", &shared.client_id])
        .exits(0)
        .await;
    says(
        &ended,
        &[&format!("as managed identity {}", shared.client_id), "[--auth]"],
    );

    let unknown = Principal::random().client_id;
    let ended = run(&["--auth=managed-identity", "-c", &unknown]).exits(1).await;
    says(
        &ended,
        &["no managed identity here: no matching identity is assigned (Identity not found)"],
    );

    // One that is not there leaves its place to the Azure CLI, which is not
    // there either.
    let bare = case.azure().add_machine(Machine::default());
    let ended = run(&[]).env("IDENTITY_HEADER", &bare).exits(1).await;
    says(
        &ended,
        &[
            "error: there is no way to sign in to Azure",
            "hint: service principal: no client secret or certificate is given",
            "hint: workload identity: the variable AZURE_FEDERATED_TOKEN_FILE is not set",
            "hint: managed identity: no managed identity here: no matching identity is assigned",
            "hint: Azure CLI: the Azure CLI (az) is not on the PATH",
        ],
    );
}

#[tokio::test]
async fn off_azure_no_managed_identity_is_waited_for() {
    let case = Case::with_gateway("off-azure").await;
    let timed = async |run: Run<'_>, code| {
        let begun = Instant::now();
        let ended = run.exits(code).await;
        (ended, begun.elapsed())
    };
    let secret = case.principal.client_secret.clone();
    let run = |arguments: &[&str]| case.signs_in(&case.principal, arguments);
    let (_, usual) = timed(run(&[]).env("AZURE_CLIENT_SECRET", &secret), 0).await;
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    // Where the test itself runs in Azure, it must not get the identity of
    // the machine: no machine has this one.
    let unassigned = Principal::random().client_id;
    let (ended, took) = timed(
        run(&["--auth=managed-identity", "-c", &unassigned])
            .env("HTTP_PROXY", &address)
            .env("http_proxy", &address),
        1,
    )
    .await;
    println!("without a managed identity: {took:?}, a run that signs in: {usual:?}");
    says(&ended, &["no managed identity here: "]);
    assert!(
        took < usual + Duration::from_secs(2),
        "{took:?}, a run that signs in {usual:?}"
    );
    proxy.set_nonblocking(true).unwrap();
    assert!(
        proxy.accept().is_err(),
        "the metadata service was asked through a proxy"
    );
}
