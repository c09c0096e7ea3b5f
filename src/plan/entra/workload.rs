//! The cluster's side: `ServiceAccount`, Secret and the settings of the workload.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::credential::{holds_other_kind, is_held, keys};
use super::facts::{AppFacts, EntraFacts, ServiceAccountFacts, StoredFacts, WorkloadSide};
use super::step::{Action, Part, Step};
use crate::error::{Error, Result};
use crate::model::entra::{
    CERTIFICATE_FOLDER, CLIENT_ID_ANNOTATION, CertificateMount, FILE_MODE, GATEWAY_GROUP, Id, Made, Mode,
    PFX_KEY, SECRET_KEY, SettingValue, SetupRequest, SignsIn, TENANT_ID_ANNOTATION, TemplateSettings,
    USE_LABEL, token_audience,
};
use crate::model::{CloudName, Replacement, cleaned, setting};

/// The id that the gateway signs in with.
fn client_id(facts: &EntraFacts) -> Id {
    match &facts.app {
        Ok(Some(app)) => Id::Known(app.client_id()),
        _ => Id::Of(Made::App),
    }
}

/// The configuration endpoint, for a workload that certainly has none.
fn lacking_endpoint(facts: &EntraFacts) -> Option<String> {
    let (workload, cloud) = facts.cluster.workload.as_ref().zip(facts.cloud)?;
    let is_known = workload.signs_in.is_ok() && workload.service.is_none();
    (is_known && !is_set(facts, setting::ENDPOINT)).then(|| {
        let service = &facts.gateway.service.name;
        format!("https://{service}.configuration.{}", cloud.suffix())
    })
}

fn is_set(facts: &EntraFacts, setting: &str) -> bool {
    let workload = facts.cluster.workload.as_ref();
    workload.is_some_and(|it| it.template.settings.contains_key(setting))
}

/// What the pod template needs for a mode. Everything goes into `env` of the
/// container, which beats `envFrom`, so that no ConfigMap is written.
pub fn wanted_template(
    facts: &EntraFacts,
    request: &SetupRequest,
    mode: Mode,
    (account, secret): (&str, &str),
) -> Result<TemplateSettings> {
    let text = |value: &str| SettingValue::Text(value.to_owned());
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value| settings.insert(name.to_owned(), value);
    set(setting::GATEWAY_NAME, text(&facts.gateway.name));
    set(setting::AUTH, text(mode.setting()));
    let is_public = facts.cloud == Some(CloudName::Public);
    match (&request.token_audience, facts.cloud) {
        (Some(audience), _) => drop(set(setting::TOKEN_AUDIENCE, text(audience))),
        // The public cloud's is the default, unless another one is left over.
        (None, Some(_)) if is_public && !is_set(facts, setting::TOKEN_AUDIENCE) => {}
        (None, Some(cloud)) => drop(set(setting::TOKEN_AUDIENCE, text(token_audience(cloud)))),
        (None, None) => {
            return Err(
                Error::usage("the audience of the gateway's token is not known for this cloud")
                    .hint("give it with --token-audience URL"),
            );
        }
    }
    if let Some(endpoint) = lacking_endpoint(facts) {
        set(setting::ENDPOINT, text(&endpoint));
    }
    if mode.is_stored() {
        set(setting::APP_TENANT, text(&facts.tenant.to_string()));
        set(setting::APP_CLIENT, SettingValue::Id(client_id(facts)));
        if !is_public || is_set(facts, setting::APP_AUTHORITY) {
            set(setting::APP_AUTHORITY, text(&facts.authority));
        }
    }
    let mut wanted = TemplateSettings {
        service_account: match (mode, account) {
            (Mode::WorkloadIdentity, "default") | (Mode::AppCertificate | Mode::AppSecret, _) => {
                String::new()
            }
            (Mode::WorkloadIdentity, account) => account.to_owned(),
        },
        ..TemplateSettings::default()
    };
    match mode {
        Mode::WorkloadIdentity => {
            wanted.labels.insert(USE_LABEL.to_owned(), "true".to_owned());
        }
        Mode::AppSecret => {
            let value = SettingValue::Secret {
                name: secret.to_owned(),
                key: SECRET_KEY.to_owned(),
            };
            set(setting::APP_SECRET, value);
        }
        Mode::AppCertificate => {
            let path = format!("{CERTIFICATE_FOLDER}/{PFX_KEY}");
            set(setting::APP_CERTIFICATE, SettingValue::Text(path));
            wanted.mount = Some(CertificateMount {
                secret: secret.to_owned(),
                path: CERTIFICATE_FOLDER.to_owned(),
                mode: FILE_MODE,
            });
            wanted.fs_group = Some(GATEWAY_GROUP);
        }
    }
    wanted.settings = settings;
    Ok(wanted)
}

/// What the pod template lacks of what is wanted.
fn lacking(found: &TemplateSettings, wanted: &TemplateSettings) -> TemplateSettings {
    let differs = |(name, value): &(&String, &SettingValue)| match found.settings.get(*name) {
        Some(SettingValue::Text(there)) => !is_same(there, value),
        there => there != Some(*value),
    };
    let absent = |(name, value): &(&String, &String)| found.labels.get(*name) != Some(*value);
    let owned = |(name, value): (&String, &String)| (name.clone(), value.clone());
    TemplateSettings {
        settings: wanted
            .settings
            .iter()
            .filter(differs)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        service_account: Some(&wanted.service_account)
            .filter(|account| **account != found.service_account)
            .cloned()
            .unwrap_or_default(),
        labels: wanted.labels.iter().filter(absent).map(owned).collect(),
        mount: wanted
            .mount
            .clone()
            .filter(|mount| found.mount.as_ref() != Some(mount)),
        // A group that is there lets the gateway read the files as well.
        fs_group: wanted.fs_group.filter(|_| found.fs_group.is_none()),
    }
}

/// What is changed, in words.
fn in_words(lacking: &TemplateSettings) -> String {
    let mut words: Vec<String> = lacking.settings.keys().cloned().collect();
    if !lacking.service_account.is_empty() {
        words.push(format!("serviceAccountName {}", lacking.service_account));
    }
    words.extend(
        lacking
            .labels
            .keys()
            .map(|label| format!("the pod label {label}")),
    );
    if let Some(mount) = &lacking.mount {
        words.push(format!("a volume of secret/{} at {}", mount.secret, mount.path));
    }
    if let Some(group) = lacking.fs_group {
        words.push(format!("fsGroup {group}"));
    }
    words.join(", ")
}

/// The lines of the cluster, in the order in which they are applied.
pub(super) fn steps(
    facts: &EntraFacts,
    mode: Mode,
    (account, secret): (&str, &str),
    wanted: &TemplateSettings,
    credential: &Step,
) -> Vec<Step> {
    let mut steps = Vec::new();
    match mode {
        Mode::WorkloadIdentity => steps.push(service_account(facts, account)),
        // The credential counts as there only if the Secret holds it.
        _ if is_held(credential) => {
            let text = format!("secret/{secret} in namespace {} has it", facts.cluster.namespace);
            steps.push(Step::ok(Part::Secret, text));
        }
        _ => steps.push(stored(facts, mode, secret)),
    }
    if let Some(workload) = &facts.cluster.workload {
        let is_new = steps.iter().any(|step| step.action.is_some());
        let template = template(facts, workload, mode, wanted, is_new);
        let proof = proof(facts, workload, &template);
        steps.push(template);
        steps.extend(proof);
    }
    steps
}

/// What an earlier run still owes, if this one does not replace the pods again.
fn proof(facts: &EntraFacts, workload: &WorkloadSide, template: &Step) -> Option<Step> {
    let id = workload.unproved.as_ref().filter(|_| template.action.is_none())?;
    let text = format!(
        "whether the new pods of {} in namespace {} read their configuration is not proved yet",
        workload.workload.short(),
        facts.cluster.namespace
    );
    let action = Action::Prove {
        workload: workload.workload.clone(),
        container: workload.container.clone(),
        id: id.clone(),
    };
    Some(Step::unknown(Part::Proof, text).doing(action))
}

fn service_account(facts: &EntraFacts, account: &str) -> Step {
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

fn is_same(there: &str, wanted: &SettingValue) -> bool {
    match wanted {
        SettingValue::Text(text) => there == text,
        SettingValue::Id(Id::Known(id)) => there.eq_ignore_ascii_case(&id.to_string()),
        SettingValue::Id(Id::Of(_)) | SettingValue::Secret { .. } => false,
    }
}

fn stored(facts: &EntraFacts, mode: Mode, secret: &str) -> Step {
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

/// `is_new` if what the pods read at their start is written.
fn template(
    facts: &EntraFacts,
    workload: &WorkloadSide,
    mode: Mode,
    wanted: &TemplateSettings,
    is_new: bool,
) -> Step {
    let step = change_of_template(facts, workload, mode, wanted, is_new);
    if step.to_apply().is_none() {
        return step;
    }
    let name = workload.workload.short();
    let namespace = &facts.cluster.namespace;
    if workload.paused {
        return Step::stop(
            Part::Workload,
            format!("{name} in namespace {namespace} is paused, so its pods are not replaced"),
        )
        .hint(format!(
            "resume it first: kubectl -n {namespace} rollout resume {name}"
        ));
    }
    match &workload.replacement {
        Replacement::Rolling => step,
        Replacement::Interrupting(why) => step.note(format!("the gateway is interrupted: {why}")),
        Replacement::ByHand(why) => step.note(format!(
            "the pods stay as they are until somebody deletes them, because of {why}"
        )),
    }
}

fn change_of_template(
    facts: &EntraFacts,
    workload: &WorkloadSide,
    mode: Mode,
    wanted: &TemplateSettings,
    is_new: bool,
) -> Step {
    let part = Part::Workload;
    let name = format!(
        "{} in namespace {}",
        workload.workload.short(),
        facts.cluster.namespace
    );
    if let Some(stop) = other_gateway(facts, workload, &name) {
        return stop;
    }
    let add = lacking(&workload.template, wanted);
    if add == TemplateSettings::default() {
        let stored = facts.cluster.secret.as_ref().ok().and_then(Option::as_ref);
        let is_owed = stored.is_some_and(|stored| mode.is_stored() && owes_restart(workload, stored));
        if is_new || (is_owed && workload.owner.is_none()) {
            return restart(facts, workload, &name);
        }
        return Step::ok(part, format!("{name} signs in by {}", mode.as_str()));
    }
    let action = Action::ConfigureWorkload {
        workload: workload.workload.clone(),
        container: workload.container.clone(),
        add: Box::new(add.clone()),
    };
    let text = format!("set in {name}: {}", in_words(&add));
    let mut step = match &workload.signs_in {
        Ok(SignsIn::Not) => Step::create(part, text, action),
        Ok(SignsIn::By(now)) if *now == mode => Step::change(part, text, action),
        Ok(now) => Step::change(part, text, action).impossible(&format!(
            "it signs in {}, and is not switched; these settings switch it",
            now.in_words()
        )),
        Err(why) => Step::change(part, text, action)
            .impossible(&format!("how it signs in now is not known: {}", why.why())),
    };
    if let Some(place) = &workload.clear_secret {
        step = step.note(format!(
            "{place} has a client secret in clear; remove it there and in Entra, once the new one is proved"
        ));
    }
    match &workload.owner {
        Some(owner) => step.impossible(&format!(
            "it belongs to {owner}, which would undo it; set it there"
        )),
        None => step.permitted(&facts.rights.change_workload, "change the workload"),
    }
}

/// Whether pods may have started before their credential was written. Its id in Entra is
/// the rotation id of the pods that were replaced for it.
fn owes_restart(workload: &WorkloadSide, stored: &StoredFacts) -> bool {
    let (Some(id), Some(written)) = (stored.credential, stored.written) else {
        return false;
    };
    let restarted = workload.marks.restarted_at.as_ref();
    let restarted = restarted.and_then(|at| at.parse::<Timestamp>().ok());
    !workload.marks.rotation_ids.contains(&id.to_string())
        && workload.created.is_some_and(|created| created < written)
        && restarted.is_none_or(|at| at < written)
}

fn restart(facts: &EntraFacts, workload: &WorkloadSide, name: &str) -> Step {
    let action = Action::RestartWorkload {
        workload: workload.workload.clone(),
        container: workload.container.clone(),
    };
    let text = format!("restart {name}: its pods read their credential only when they start");
    let step = Step::change(Part::Workload, text, action);
    match &workload.owner {
        Some(owner) => step.impossible(&format!("it belongs to {owner}")).hint(format!(
            "restart it once the rest is done: kubectl -n {} rollout restart {}",
            facts.cluster.namespace,
            workload.workload.short()
        )),
        None => step.permitted(&facts.rights.change_workload, "change the workload"),
    }
}

/// The name of the instance in place of the gateway's is the chart's own mistake,
/// and mended.
fn other_gateway(facts: &EntraFacts, workload: &WorkloadSide, name: &str) -> Option<Step> {
    let service = &facts.gateway.service.name;
    let stop = |what: &str, found: &str, given: &str| {
        let text = format!(
            "{name} is for another {what}: {}, not {}",
            cleaned(found),
            cleaned(given)
        );
        let flag = if what == "instance" { "-a" } else { "-g" };
        Step::stop(Part::Workload, text)
            .hint(format!("choose the workload of the gateway, or correct {flag}"))
    };
    if let Some(found) = workload
        .service
        .as_ref()
        .filter(|found| !found.eq_ignore_ascii_case(service))
    {
        return Some(stop("instance", found, service));
    }
    let SettingValue::Text(found) = workload.template.settings.get(setting::GATEWAY_NAME)? else {
        return None;
    };
    let is_right = found.eq_ignore_ascii_case(&facts.gateway.name) || found.eq_ignore_ascii_case(service);
    (!is_right).then(|| stop("gateway", found, &facts.gateway.name))
}
