use super::assertion::Presented;

/// The next step for Entra's most common refusals (reference: "Microsoft Entra
/// authentication and authorization error codes").
pub(crate) fn next_step(code: &str, presented: Option<&Presented>) -> Option<String> {
    Some(match code {
        "AADSTS70021" | "AADSTS700211" | "AADSTS700212" | "AADSTS7002121" | "AADSTS700213" | "AADSTS700223" => {
            return Some(federated_credential(presented));
        }
        "AADSTS7002138" => {
            return Some(format!(
                "a federated credential has the subject in other upper and lower case, and case counts: {}",
                federated_credential(presented)
            ));
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
        "AADSTS90061" | "AADSTS501661" => return Some(unreachable(presented)),
        "AADSTS900612" => {
            "Entra cannot read the signing keys of the cluster's OIDC issuer: its jwks_uri must answer with a JSON Web \
             Key Set of RSA keys"
        }
        "AADSTS50166" => "the cluster's OIDC issuer throttles Entra's requests for its keys: try again later",
        "AADSTS50034" => "the account does not exist in this tenant: check --client-id and --tenant",
        "AADSTS7000218" => "Entra received neither a secret nor an assertion: check the client secret or the certificate",
        "AADSTS500011" => {
            "this tenant does not know the service at that address: check --cloud, and --graph-url of `entra setup`"
        }
        _ => return None,
    }
    .to_owned())
}

fn unreachable(presented: Option<&Presented>) -> String {
    let issuer = presented.map_or("ISSUER", |presented| presented.issuer.trim_end_matches('/'));
    format!(
        "Entra cannot read the discovery document of the cluster's OIDC issuer, which must be public: from outside your \
         network, `curl {issuer}/.well-known/openid-configuration` has to answer, and so has the jwks_uri in it"
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_of_a_federated_token_has_a_next_step() {
        let presented = Presented {
            issuer: "https://oidc.test/x/".into(),
            subject: "system:serviceaccount:Apim:gw".into(),
            audience: "api://AzureADTokenExchange".into(),
        };
        for (code, part) in [
            (
                "AADSTS7002138",
                "case counts: add a federated credential with issuer https://oidc.test/x/, subject",
            ),
            ("AADSTS7002138", "system:serviceaccount:Apim:gw"),
            ("AADSTS7002121", "audience api://AzureADTokenExchange"),
            (
                "AADSTS501661",
                "`curl https://oidc.test/x/.well-known/openid-configuration`",
            ),
            ("AADSTS90061", "must be public"),
            ("AADSTS900612", "jwks_uri"),
            ("AADSTS50166", "later"),
        ] {
            let hint = next_step(code, Some(&presented)).unwrap();
            assert!(hint.contains(part), "{code}: {hint}");
        }
    }
}
