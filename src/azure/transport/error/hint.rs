//! The next step after each error of Azure.

use std::time::Duration;

use super::{Error, Fault, Refusal, seconds};
use crate::model::quote::shell_word;
use crate::model::{AzureRole, GatewayId, grant_minting};

impl Error {
    /// The next step for the user.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::SignIn { hint, .. } | Self::NoIdentity { hint, .. } => return hint.clone(),
            Self::Auto { error, .. } | Self::Unverified(error) => return error.hint(),
            Self::Forbidden {
                action,
                scope,
                principal,
                ..
            } => {
                let who = principal
                    .as_ref()
                    .map_or_else(|| "the identity".to_owned(), |id| format!("the principal {id}"));
                if let Some(gateway) = minting(action, scope) {
                    return Some(format!(
                        "grant {who} the action {action}, which takes a few minutes to work: {}",
                        grant_minting(&gateway, principal.as_deref())
                    ));
                }
                return Some(format!(
                    "grant {who} the action {action} on {scope}; a new role assignment takes a few minutes to work, \
                     and Azure gives the same answer if the scope does not exist"
                ));
            }
            Self::Throttled { refusal } | Self::Status { refusal } if refusal.retry_after.is_some() => {
                return refusal.retry_after.map(next_attempt);
            }
            Self::Wait { wait, .. } => return Some(next_attempt(*wait)),
            Self::Transport {
                fault: Fault::Certificate,
                ..
            } => "if a proxy inspects TLS, pass its CA with --azure-ca-file FILE or SSL_CERT_FILE",
            Self::Transport {
                fault: Fault::ProxyAuthentication,
                ..
            } => "add the proxy's user name and password to the address in HTTPS_PROXY",
            Self::Transport { .. } => "check the network, and the proxy in HTTPS_PROXY and NO_PROXY",
            Self::Timeout { .. } => "allow more time with --timeout",
            Self::NotFound { .. } | Self::Status { .. } | Self::Throttled { .. } => {
                return self.refusal().and_then(Refusal::next_step);
            }
            Self::Setup(_) | Self::Wire { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// The gateway at whose scope an action of the role for minting was refused.
fn minting(action: &str, scope: &str) -> Option<GatewayId> {
    let actions = AzureRole::TokenOperator.definition().action_names();
    let is_of_role = actions.iter().any(|ours| ours.eq_ignore_ascii_case(action));
    GatewayId::parse(scope).ok().filter(|_| is_of_role)
}

impl Refusal {
    fn next_step(&self) -> Option<String> {
        if let Some(challenge) = &self.challenge {
            return Some(challenge.next_step());
        }
        let code = self.code.as_deref()?;
        let hint = match code {
            "SubscriptionNotFound" | "InvalidSubscriptionId" | "InvalidAuthenticationTokenTenant" => {
                "check the subscription's id (`az account list --all -o table` lists those of your account), and \
                 that the subscription belongs to the tenant that signs in (--tenant) and to this cloud (--cloud)"
            }
            "MethodNotAllowedInPricingTier" => {
                "only the Developer and Premium tiers have self-hosted gateways"
            }
            "RoleAssignmentLimitExceeded" => {
                "remove assignments that are not used: az role assignment list --all"
            }
            "RoleDefinitionLimitExceeded" => {
                "remove roles that are not used: az role definition list --custom-role-only"
            }
            "ScopeLocked" => return Some(self.locked()),
            "ReadOnlyDisabledSubscription" | "SubscriptionDisabled" | "DisabledSubscription" => {
                "the subscription is disabled, so nothing in it can be written and no token minted: have its owner \
                 enable it again, in the Azure portal under Subscriptions"
            }
            "MissingSubscriptionRegistration" | "SubscriptionNotRegistered" => {
                "register the provider in the subscription: az provider register --namespace Microsoft.ApiManagement"
            }
            "RequestDisallowedByPolicy" | "RequestDisallowedByPolicyV2" => return Some(self.denied()),
            "RequestDisallowedByAzure" => {
                "Azure itself denies it, by a rule of the message; if it demands multifactor authentication, run \
                 `az logout && az login`, or sign in as a service principal, which needs none"
            }
            "DenyAssignmentAuthorizationFailed" => {
                "a deny assignment, as of a deployment stack or a managed application, forbids this whatever roles \
                 the identity has: have the owner of that stack or application exclude the identity"
            }
            "MissingOrIncorrectVersionParameter"
            | "InvalidApiVersionParameter"
            | "NoRegisteredProviderFound" => "choose one of the versions in the message with --api-version",
            code => return graph_hint(code).map(str::to_owned),
        };
        Some(hint.to_owned())
    }

    /// A lock of the kind `ReadOnly` forbids every POST, minting included.
    fn locked(&self) -> String {
        let scope = quoted_after(&self.message, "locked: '").unwrap_or_default();
        let subscription = scope
            .trim_start_matches('/')
            .split('/')
            .nth(1)
            .filter(|id| !id.is_empty())
            .map(|id| format!(" --subscription {}", shell_word(id)))
            .unwrap_or_default();
        format!(
            "a ReadOnly lock forbids every write, minting included: find it with `az lock list{subscription}`, and \
             remove it for the time of the run or replace it by a CanNotDelete lock"
        )
    }

    /// The message names the assignment of the policy.
    fn denied(&self) -> String {
        const KIND: &str = "/providers/microsoft.authorization/policyassignments/";
        let id = self
            .message
            .split(['"', '\'', ' ', ',', '`'])
            .map(|word| word.trim_end_matches(['.', ';', ')']))
            .find(|word| word.to_ascii_lowercase().contains(KIND));
        let shown = id.and_then(|id| {
            let at = id.to_ascii_lowercase().find(KIND)?;
            let (scope, name) = (id.get(..at)?, id.get(at + KIND.len()..)?);
            Some(format!(
                "`az policy assignment show --name {} --scope {}`",
                shell_word(name),
                shell_word(if scope.is_empty() { "/" } else { scope })
            ))
        });
        let shown = shown.unwrap_or_else(|| "`az policy assignment list`".to_owned());
        format!(
            "a policy of Azure denies it, whatever roles the identity has: {shown} shows what it demands; fulfil that, \
             or have its owner make an exemption (az policy exemption create)"
        )
    }
}

/// The text that begins after `words` and ends at the next quote.
fn quoted_after<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    text.split_once(words)?.1.split('\'').next()
}

/// The next step after a refusal of Microsoft Graph. The codes of the policies
/// are those of public reports.
fn graph_hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "Authorization_RequestDenied" => {
            "the identity that signs in needs Application.ReadWrite.OwnedBy in Microsoft Graph and must own the app, \
             or a role such as Application Administrator"
        }
        "CredentialTypeNotAllowedAsPerAppPolicy" => {
            "a policy of the tenant forbids this kind of credential; --mode workload-identity needs none"
        }
        "CredentialInvalidLifetimeAsPerAppPolicy" => {
            "a policy of the tenant limits the lifetime of credentials: give a shorter one with --secret-lifetime"
        }
        "Directory_QuotaExceeded" => {
            "remove apps that are not used, or name one of somebody else with --app CLIENT-ID"
        }
        _ => return None,
    })
}

fn next_attempt(wait: Duration) -> String {
    format!("wait {} s before the next attempt, as Azure asks", seconds(wait))
}
