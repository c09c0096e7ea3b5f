//! The `ServiceAccount` and the Secret of a set-up, which other pods may use too.

use std::collections::BTreeMap;

use super::facts::{Absence, EntraFacts};
use super::holder::{self, Holder};
use super::step::{Action, Part, Step};
use super::template::{client_id, is_same};
use crate::model::entra::{CLIENT_ID_ANNOTATION, Id, Mode, SettingValue, TENANT_ID_ANNOTATION};
use crate::model::known;
use crate::model::quote::shell_word;

pub(super) fn service_account(facts: &EntraFacts, account: &str) -> Step {
    let part = Part::ServiceAccount;
    let name = format!(
        "serviceaccount/{account} in namespace {}",
        facts.cluster.namespace
    );
    if is_shared(account) {
        return Step::stop(
            part,
            format!("{name} is used by every pod that names none, so it gets no rights in Azure"),
        )
        .hint("give the gateway one of its own, which is created: --service-account NAME");
    }
    let mut annotations = wanted_annotations(facts);
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
    let holder = holder::of_account(facts, found);
    if let Some(stop) = of_other_app(&holder, account, &name, &facts.cluster.namespace) {
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
    )
    .notes(of_gone(facts, &holder));
    match &found.owner {
        Some(owner) => step.impossible(&format!(
            "it belongs to {owner}, which would undo it; set it there"
        )),
        None => step.permitted(right, "write ServiceAccounts in the namespace"),
    }
}

/// Whether every pod of the namespace has it that names no other.
pub(super) fn is_shared(account: &str) -> bool {
    account.is_empty() || account == "default"
}

/// What the `ServiceAccount` has to name for this app.
fn wanted_annotations(facts: &EntraFacts) -> BTreeMap<&'static str, SettingValue> {
    let mut wanted = BTreeMap::from([(CLIENT_ID_ANNOTATION, SettingValue::Id(client_id(facts)))]);
    let injected = known(&facts.webhook);
    let tenant = SettingValue::Id(Id::Known(facts.tenant));
    let of_webhook = injected.and_then(|it| it.tenant.as_deref());
    let there = known(&facts.cluster.service_account);
    // Another one that is there beats the webhook's.
    let is_set = there.is_some_and(|it| it.annotations.contains_key(TENANT_ID_ANNOTATION));
    // What refuses a rehearsed pod refuses new pods too, so a ServiceAccount that is set up
    // is not changed on suspicion.
    let is_set_up = facts.webhook.is_err()
        && there
            .and_then(|it| it.annotations.get(CLIENT_ID_ANNOTATION))
            .is_some_and(|found| is_same(found, &SettingValue::Id(client_id(facts))));
    let is_same_tenant = of_webhook.is_some_and(|of_webhook| is_same(of_webhook, &tenant));
    if is_set || !(is_set_up || is_same_tenant) {
        wanted.insert(TENANT_ID_ANNOTATION, tenant);
    }
    wanted
}

/// Other pods may sign in by the `ServiceAccount` as the app that it names.
fn of_other_app(holder: &Holder, account: &str, name: &str, namespace: &str) -> Option<Step> {
    let part = Part::ServiceAccount;
    let other = match holder {
        Holder::OtherApp(other) => other,
        Holder::Unknown(why) => {
            let text = format!("{name} names an app, and whether that is the gateway's is not known: {why}");
            return Some(Step::missing(part, text));
        }
        _ => return None,
    };
    let text = format!("{name} names another app, {other}, which other pods may use");
    let unset = format!(
        "or let it name none: kubectl -n {namespace} annotate serviceaccount {account} {CLIENT_ID_ANNOTATION}-"
    );
    Some(
        Step::stop(part, text)
            .hint("choose another one, which is created: --service-account NAME")
            .hint(unset),
    )
}

/// What pods that have or name such an app cannot use.
fn of_gone(facts: &EntraFacts, holder: &Holder) -> Option<String> {
    let Holder::Gone(id) = holder else { return None };
    let what = match facts.gone.get(id)? {
        Absence::Final => "does not exist any more".to_owned(),
        Absence::Restorable(url) => format!(
            "was deleted, and the gateway gets another one; to have it back instead, restore it first: \
             az rest --method post --url {}",
            shell_word(url)
        ),
        Absence::NotFound => {
            "is not found in the tenant: it was deleted for good, or less than 30 days ago, \
                              so that somebody who may read deleted apps can restore it"
                .to_owned()
        }
    };
    Some(format!("it names the app {id}, which {what}"))
}

/// Why a Secret is not written: pods that start before their template names the new app,
/// or pods of others, would have what is of no use to them.
fn in_use(holder: &Holder, keys: &str) -> Option<String> {
    Some(match holder {
        Holder::Nobody
        | Holder::Ours
        | Holder::Gone(_)
        | Holder::Replaceable
        | Holder::HandedOver(_)
        | Holder::Untried(_) => return None,
        Holder::OtherApp(id) => {
            format!("holds the credential of another app, {id}, which pods may use")
        }
        Holder::OtherKind => "holds a credential of another kind, which pods may use".to_owned(),
        Holder::OtherGateway(name) => {
            format!("holds the credential of the gateway {name}, which its pods may use")
        }
        Holder::SomebodyElse => {
            format!("has {keys} already, which was not written here and matches no credential of the app")
        }
        Holder::Unknown(why) => {
            format!("holds the credential of an app, and which app this is is not known: {why}")
        }
    })
}

/// Whose credential a Secret seems to hold, by the pod template.
fn whose(facts: &EntraFacts, secret: &str, holder: &Holder) -> String {
    let workload = facts.cluster.workload.as_ref();
    let workload = workload.filter(|it| *holder == Holder::SomebodyElse && it.refers_to(secret));
    let Some(workload) = workload else {
        return String::new();
    };
    let name = workload.workload.short();
    match workload.names_app() {
        Some(app) => format!("; {name} signs in with it as the app {app}"),
        None => format!("; {name} signs in with it"),
    }
}

pub(super) fn stored(facts: &EntraFacts, mode: Mode, secret: &str, holder: &Holder) -> Step {
    let part = Part::Secret;
    let another = "choose another Secret with --secret NAME";
    let name = format!("secret/{secret} in namespace {}", facts.cluster.namespace);
    let action = Action::WriteSecret {
        name: secret.to_owned(),
        keys: mode.keys(),
    };
    let right = &facts.rights.write_secret;
    let keys = mode.keys().join(", ");
    let stored = known(&facts.cluster.secret);
    let is_there = |key: &&&str| stored.is_some_and(|it| it.keys.iter().any(|there| there == **key));
    let there: Vec<&str> = mode.keys().iter().filter(is_there).copied().collect();
    if let Some(why) = in_use(holder, &there.join(", ")) {
        let text = format!("{name} {why}{}", whose(facts, secret, holder));
        let step = match holder {
            // As for a ServiceAccount, nothing is made for what will be another name.
            Holder::OtherApp(_) => Step::stop(part, text),
            _ => Step::missing(part, text),
        };
        let step = step.hint(another);
        return match holder {
            Holder::SomebodyElse => step
                .hint("or put the right value there, without a line break at its end")
                .hint(format!(
                    "or, if nobody needs what it holds, delete it: kubectl -n {} delete secret {secret}",
                    facts.cluster.namespace
                )),
            _ => step,
        };
    }
    let found = match &facts.cluster.secret {
        Ok(None) => {
            return Step::create(part, format!("create {name} with {keys}"), action)
                .permitted(right, "write Secrets in the namespace");
        }
        Ok(Some(found)) => found,
        Err(why) => return Step::unknown(part, format!("{name}: {}", why.why())).doing(action),
    };
    if found.immutable {
        return Step::stop(part, format!("{name} is immutable")).hint(another);
    }
    let step = Step::change(part, format!("write {keys} of {name}"), action).notes(of_gone(facts, holder));
    match &found.owner {
        Some(owner) => step.impossible(&format!("it belongs to {owner}, which would undo it; {another}")),
        None => step.permitted(right, "write Secrets in the namespace"),
    }
}
