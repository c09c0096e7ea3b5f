use super::assertion::Presented;

/// The next step for Entra's most common refusals (reference: "Microsoft Entra
/// authentication and authorization error codes").
pub(crate) fn next_step(code: &str, presented: Option<&Presented>) -> Option<String> {
    Some(match code {
        "AADSTS70021" | "AADSTS700211" | "AADSTS700212" | "AADSTS700213" | "AADSTS700223" => {
            return Some(federated_credential(presented));
        }
        "AADSTS7000215" => "check the client secret: it must be the secret's value, not its id",
        "AADSTS7000222" => "the client secret has expired: add a new one to the app registration and use that",
        "AADSTS700016" => {
            "check --client-id (the application's client id) and --tenant (the tenant that the application is in)"
        }
        "AADSTS7000229" => {
            "the application has no service principal in this tenant: create one with `az ad sp create --id CLIENT_ID`"
        }
        "AADSTS7000112" => "the application is disabled in this tenant: ask the tenant's administrator",
        "AADSTS90002" | "AADSTS900023" | "AADSTS90013" => {
            "check --tenant, and --cloud if the tenant is not in public Azure"
        }
        "AADSTS53003" => "a conditional access policy blocks this sign-in: ask the tenant's administrator",
        "AADSTS700027" | "AADSTS50027" => {
            "the certificate must be registered with the application and must not be expired: upload its public part to \
             the app registration, under Certificates & secrets"
        }
        "AADSTS700024" => {
            "the assertion is not valid at the time of Entra's clock: check the clock of this machine; if the token \
             comes from a file (AZURE_FEDERATED_TOKEN_FILE), check that the file is renewed"
        }
        "AADSTS700222" | "AADSTS7002222" => {
            "a federated credential does not accept tokens that Entra issued: the token must come from the cluster"
        }
        "AADSTS90061" | "AADSTS50166" => {
            "Entra cannot read the issuer's discovery document and keys: the cluster's OIDC issuer must be public"
        }
        "AADSTS50034" => "the account does not exist in this tenant: check --client-id and --tenant",
        "AADSTS7000218" => "Entra received neither a secret nor an assertion: check the client secret or the certificate",
        "AADSTS500011" => "this tenant does not know Azure Resource Manager at that address: check --cloud",
        _ => return None,
    }
    .to_owned())
}

/// Every field must match exactly, so all are shown.
fn federated_credential(presented: Option<&Presented>) -> String {
    let fields = presented.map_or_else(
        || "the token's issuer, subject and audience".to_owned(),
        |presented| {
            format!(
                "issuer {}, subject {} and audience {}",
                presented.issuer, presented.subject, presented.audience
            )
        },
    );
    format!(
        "add a federated credential with {fields} to the application or the user-assigned identity; a new one takes \
         a few minutes to work"
    )
}
