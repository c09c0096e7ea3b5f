//! A user-assigned managed identity in place of an app.

use apim_sandbox::azure::ManagedIdentity;

use super::EntraCase;

#[tokio::test]
async fn a_managed_identity_signs_a_gateway_in() {
    let entra = EntraCase::new("managed").await;
    entra.deploy(|_| {}).await;
    let gateway = &entra.case.gateway;
    let identity = ManagedIdentity::new(
        &entra.case.principal.tenant,
        &gateway.subscription,
        "rg-apim",
        "gw",
    );
    let (client_id, arm_id) = (identity.client_id.clone(), identity.arm_id());
    entra
        .case
        .azure()
        .directory(|it| it.add_managed_identity(identity));
    let flags = ["--app", &client_id, "--service-account", "gw", "--yes"];
    for mode in ["app-secret", "app-certificate"] {
        let run = entra.setup(&["--app", &client_id, "--mode", mode, "--yes"]);
        run.exits(2).await.says(&["--app is a managed identity"]);
    }
    let bicep = entra.setup(&["--app", &client_id, "--service-account", "gw", "--print-bicep"]);
    let bicep = bicep.exits(0).await.stdout;
    for resource in [
        "Microsoft.Authorization/roleDefinitions@",
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
    ] {
        assert!(bicep.contains(resource), "{bicep}");
    }

    entra.setup(&flags).exits(0).await.says(&["proved"]);
    entra.case.rolled_out("gw").await;
    let trusted = entra.case.azure().directory(|it| {
        let all = it.managed_identities().into_iter();
        let own = all.filter(|it| it.arm_id() == arm_id);
        own.map(|it| it.federated_credentials.len()).sum::<usize>()
    });
    assert_eq!(trusted, 1);
    let writes = entra.azure_writes().len();
    entra.setup(&flags).exits(0).await;
    assert_eq!(entra.azure_writes().len(), writes);
    let undo = entra
        .setup(&[&flags[..4], &["--print-az", "--undo"]].concat())
        .exits(0)
        .await
        .stdout;
    assert!(undo.contains("az identity federated-credential delete"), "{undo}");
    assert!(!undo.contains("az ad app delete"), "{undo}");
}
