//! What a tenant allows for credentials of apps (reference "tenantAppManagementPolicy"
//! and "appManagementPolicy").

use http::Method;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::Deserialize;
use uuid::Uuid;

use super::{Error, Graph};
use crate::model::entra::facts::SecretPolicy;

/// A policy for the credentials of apps.
#[derive(Debug, Default)]
pub struct AppPolicy {
    is_enabled: bool,
    restrictions: Restrictions,
}

impl AppPolicy {
    /// What holds for an app: its own policy, or else that of the tenant. An app that
    /// exists may be exempt from what holds for newer ones, which only its age shows. A
    /// shorter life is no harm, and a new secret is tried.
    pub fn with(&self, own: Option<&Self>, exists: bool) -> SecretPolicy {
        match own.unwrap_or(self) {
            policy if policy.is_enabled => policy.restrictions.policy(exists),
            _ => SecretPolicy::default(),
        }
    }
}

impl Graph {
    /// The policy of the tenant.
    pub async fn tenant_policy(&self) -> Result<AppPolicy, Error> {
        let path = "/policies/defaultAppManagementPolicy";
        let title = "the policy for the credentials of apps";
        let call = self.request(Method::GET, path, format!("read {title}"), title)?;
        let found = self.find::<PolicyAnswer>(&call).await?.unwrap_or_default();
        Ok(found.policy(|it| it.application_restrictions))
    }

    /// The policy of an app of its own, if it has one; it is given by its object id.
    pub async fn app_policy(&self, app: Uuid) -> Result<Option<AppPolicy>, Error> {
        let title = format!("application {app}");
        let path = format!("/applications/{app}/appManagementPolicies");
        let purpose = format!("read the policies of {title}");
        let call = self.request(Method::GET, &path, purpose, &title)?;
        let policies: Vec<PolicyAnswer> = self.list(&call).await?;
        let mut policies = policies.into_iter().filter(|policy| policy.is_enabled);
        Ok(policies.next().map(|policy| policy.policy(|it| it.restrictions)))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PolicyAnswer {
    is_enabled: bool,
    /// Of a tenant.
    application_restrictions: Option<Restrictions>,
    /// Of an app.
    restrictions: Option<Restrictions>,
}

impl PolicyAnswer {
    fn policy(self, restrictions: fn(Self) -> Option<Restrictions>) -> AppPolicy {
        AppPolicy {
            is_enabled: self.is_enabled,
            restrictions: restrictions(self).unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Restrictions {
    password_credentials: Option<Vec<Restriction>>,
    key_credentials: Option<Vec<Restriction>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Restriction {
    #[serde(rename = "restrictionType")]
    kind: String,
    /// Absent in policies that are older than it.
    state: Option<String>,
    /// Apps that are older are exempt.
    restrict_for_apps_created_after_date_time: Option<String>,
    /// ISO 8601, such as `P90D`.
    max_lifetime: Option<String>,
}

impl Restriction {
    fn is(&self, kind: &str) -> bool {
        let is_enabled = self
            .state
            .as_ref()
            .is_none_or(|state| state.eq_ignore_ascii_case("enabled"));
        is_enabled && self.kind.eq_ignore_ascii_case(kind)
    }

    fn longest(&self) -> Option<SignedDuration> {
        let span: Span = self.max_lifetime.as_ref()?.parse().ok()?;
        let days = SpanRelativeTo::days_are_24_hours();
        let fixed = span.to_duration(days).ok();
        // A month or a year of a policy is counted from now.
        fixed.or_else(|| span.to_duration(jiff::civil::date(2001, 1, 1)).ok())
    }
}

impl Restrictions {
    fn policy(&self, exists: bool) -> SecretPolicy {
        let passwords = self.password_credentials.as_deref().unwrap_or_default();
        let keys = self.key_credentials.as_deref().unwrap_or_default();
        let longest = |all: &[Restriction], kind: &str| {
            let found = all.iter().filter(|it| it.is(kind));
            found.filter_map(Restriction::longest).min()
        };
        SecretPolicy {
            forbids_secrets: passwords.iter().any(|it| {
                let may_be_exempt = exists && it.restrict_for_apps_created_after_date_time.is_some();
                it.is("passwordAddition") && !may_be_exempt
            }),
            longest_secret: longest(passwords, "passwordLifetime"),
            longest_certificate: longest(keys, "asymmetricKeyLifetime"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(restrictions: Value) -> SecretPolicy {
        let read: Restrictions = serde_json::from_value(restrictions).unwrap();
        read.policy(false)
    }

    #[test]
    fn a_policy_forbids_secrets_or_caps_them() {
        let days = |days: i64| Some(SignedDuration::from_hours(24 * days));
        let found = policy(json!({
            "passwordCredentials": [
                {"restrictionType": "passwordAddition", "state": "enabled", "maxLifetime": null},
                {"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P90D"},
                {"restrictionType": "passwordLifetime", "maxLifetime": "P1M"},
            ],
            "keyCredentials": [
                {"restrictionType": "asymmetricKeyLifetime", "state": "enabled", "maxLifetime": "P1Y"},
            ],
        }));
        let expected = SecretPolicy {
            forbids_secrets: true,
            longest_secret: days(31),
            longest_certificate: days(365),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn an_app_that_may_be_exempt_is_not_forbidden_to_try() {
        let addition = json!({"passwordCredentials": [{
            "restrictionType": "passwordAddition", "state": "enabled",
            "restrictForAppsCreatedAfterDateTime": "2026-01-01T00:00:00Z",
        }]});
        let read: Restrictions = serde_json::from_value(addition).unwrap();
        assert!(read.policy(false).forbids_secrets);
        assert!(!read.policy(true).forbids_secrets);
    }

    #[test]
    fn the_policy_of_an_app_replaces_that_of_the_tenant() {
        let of = |is_enabled, kind: &str| AppPolicy {
            is_enabled,
            restrictions: serde_json::from_value(json!({"passwordCredentials": [{"restrictionType": kind}]}))
                .unwrap(),
        };
        let tenant = of(true, "passwordAddition");
        assert!(tenant.with(None, true).forbids_secrets);
        assert!(!tenant.with(Some(&of(true, "other")), true).forbids_secrets);
        assert!(!of(false, "passwordAddition").with(None, true).forbids_secrets);
    }

    #[test]
    fn what_is_disabled_or_absent_restricts_nothing() {
        for none in [
            json!({}),
            json!({"passwordCredentials": null, "keyCredentials": []}),
            json!({"passwordCredentials": [
                {"restrictionType": "passwordAddition", "state": "disabled"},
                {"restrictionType": "customPasswordAddition", "state": "enabled"},
                {"restrictionType": "passwordLifetime", "maxLifetime": "soon"},
            ]}),
        ] {
            assert_eq!(policy(none), SecretPolicy::default());
        }
    }
}
