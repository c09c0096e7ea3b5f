//! The `ServiceAccount` and the Secret of a set-up, which other pods may use too.

use std::collections::BTreeMap;

use super::credential::{holds_other_kind, keys};
use super::facts::{AppFacts, EntraFacts, ServiceAccountFacts, StoredFacts};
use super::step::{Action, Part, Step};
use super::template::{client_id, is_same};
use crate::model::cleaned;
use crate::model::entra::{CLIENT_ID_ANNOTATION, Mode, SettingValue, TENANT_ID_ANNOTATION};

pub(super) fn service_account(facts: &EntraFacts, account: &str) -> Step {
    let part = Part::ServiceAccount;
    let name = format!(
        "serviceaccount/{account} in namespace {}",
        facts.cluster.namespace
    );
    if account.is_empty() || account == "default" {
        return Step::stop(
            part,
            format!("{name} is used by every pod that names none, so it gets no rights in Azure"),
        )
        .hint("give the gateway one of its own, which is created: --service-account NAME");
    }
    let mut annotations = BTreeMap::from([(CLIENT_ID_ANNOTATION, SettingValue::Id(client_id(facts)))]);
    let injected = facts.webhook.as_ref().ok().and_then(Option::as_ref);
    let tenant = facts.tenant.to_string();
    let of_webhook = injected.and_then(|it| it.tenant.as_deref());
    if !of_webhook.is_some_and(|of_webhook| of_webhook.eq_ignore_ascii_case(&tenant)) {
        annotations.insert(TENANT_ID_ANNOTATION, SettingValue::Text(tenant));
    }
    let write = |annotations| Action::WriteServiceAccount {
        name: account.to_owned(),
        annotations,
    };
    let right = &facts.rights.write_service_account;
    let found = match &facts.cluster.service_account {
        Ok(Some(found)) => found,
        Ok(None) => {
            return Step::create(part, format!("create {name}"), write(annotations))
                .permitted(right, "write ServiceAccounts in the namespace");
        }
        Err(why) => return Step::unknown(part, format!("{name}: {}", why.why())).doing(write(annotations)),
    };
    if let Some(stop) = of_other_app(found, &annotations, account, &name, &facts.cluster.namespace) {
        return stop;
    }
    annotations.retain(|annotation, value| {
        let there = found.annotations.get(*annotation);
        !there.is_some_and(|there| is_same(there, value))
    });
    if annotations.is_empty() {
        return Step::ok(part, format!("{name} names the app and the tenant"));
    }
    let names: Vec<&str> = annotations.keys().copied().collect();
    let step = Step::change(
        part,
        format!("annotate {name}: {}", names.join(", ")),
        write(annotations),
    );
    match &found.owner {
        Some(owner) => step.impossible(&format!(
            "it belongs to {owner}, which would undo it; set it there"
        )),
        None => step.permitted(right, "write ServiceAccounts in the namespace"),
    }
}

/// Other pods may sign in by the `ServiceAccount` as the app that it names.
fn of_other_app(
    found: &ServiceAccountFacts,
    wanted: &BTreeMap<&'static str, SettingValue>,
    account: &str,
    name: &str,
    namespace: &str,
) -> Option<Step> {
    let other = found.annotations.get(CLIENT_ID_ANNOTATION)?;
    if is_same(other, wanted.get(CLIENT_ID_ANNOTATION)?) {
        return None;
    }
    let text = format!(
        "{name} names another app, {}, which other pods may use",
        cleaned(other)
    );
    let unset = format!(
        "or let it name none: kubectl -n {namespace} annotate serviceaccount {account} {CLIENT_ID_ANNOTATION}-"
    );
    Some(
        Step::stop(Part::ServiceAccount, text)
            .hint("choose another one, which is created: --service-account NAME")
            .hint(unset),
    )
}

pub(super) fn stored(facts: &EntraFacts, mode: Mode, secret: &str) -> Step {
    let part = Part::Secret;
    let name = format!("secret/{secret} in namespace {}", facts.cluster.namespace);
    let action = Action::WriteSecret {
        name: secret.to_owned(),
        keys: keys(mode),
    };
    let right = &facts.rights.write_secret;
    let keys = keys(mode).join(", ");
    match &facts.cluster.secret {
        Ok(None) => Step::create(part, format!("create {name} with {keys}"), action)
            .permitted(right, "write Secrets in the namespace"),
        Ok(Some(found)) if is_of_other_app(facts, found) => Step::missing(
            part,
            format!("{name} holds the credential of another app, which pods may use"),
        )
        .hint("choose another Secret with --secret NAME"),
        Ok(Some(found)) if is_foreign(facts, found, mode, secret) => Step::missing(
            part,
            format!("{name} has {keys} already, which was not written here"),
        )
        .hint("choose another Secret with --secret NAME"),
        Ok(Some(found)) if holds_other_kind(found, mode) => Step::missing(
            part,
            format!("{name} holds a credential of another kind, which pods may use"),
        )
        .hint("choose another Secret with --secret NAME"),
        Ok(Some(found)) if found.immutable => {
            Step::stop(part, format!("{name} is immutable")).hint("choose another Secret with --secret NAME")
        }
        Ok(Some(found)) => match &found.owner {
            Some(owner) => {
                Step::change(part, format!("write {keys} of {name}"), action).impossible(&format!(
                    "it belongs to {owner}, which would undo it; choose another Secret with --secret NAME"
                ))
            }
            None => Step::change(part, format!("write {keys} of {name}"), action)
                .permitted(right, "write Secrets in the namespace"),
        },
        Err(why) => Step::unknown(part, format!("{name}: {}", why.why())).doing(action),
    }
}

/// Pods that start before their template names the new app would have its credential
/// with the client id of the old one.
fn is_of_other_app(facts: &EntraFacts, found: &StoredFacts) -> bool {
    let wanted = match &facts.app {
        Ok(app) => app.as_ref().map(AppFacts::client_id),
        Err(_) => return false,
    };
    found.client_id.is_some_and(|held| Some(held) != wanted)
}

/// Whether somebody else has put a credential there for something else than this
/// workload.
fn is_foreign(facts: &EntraFacts, found: &StoredFacts, mode: Mode, secret: &str) -> bool {
    let has_all = keys(mode).iter().all(|key| found.keys.iter().any(|it| it == key));
    let workload = facts.cluster.workload.as_ref();
    let is_its_own = workload.is_some_and(|it| {
        let mut settings = it.template.settings.values();
        let by_variable =
            settings.any(|value| matches!(value, SettingValue::Secret { name, .. } if name == secret));
        let mounted = it.template.mount.as_ref();
        by_variable || mounted.is_some_and(|mount| mount.secret == secret)
    });
    has_all && found.credential.is_none() && !is_its_own
}
