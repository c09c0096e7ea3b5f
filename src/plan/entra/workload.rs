//! The workload of a set-up: what its pod template lacks, and whose pods are replaced.

use super::credential::is_held;
use super::facts::{ClearSecret, EntraFacts, WorkloadSide};
use super::holder::Holder;
use super::objects::{service_account, stored};
use super::owed::{lacks_identity, owes_restart};
use super::own_variables;
use super::step::{Action, Part, Step, StepMark};
use super::template::is_same;
use crate::model::entra::{CERTIFICATE_FOLDER, Mode, SettingValue, SignsIn, TemplateSettings};
use crate::model::quote::shell_word;
use crate::model::{Replacement, cleaned, setting};

/// What the pod template lacks of what is wanted.
fn lacking(found: &TemplateSettings, wanted: &TemplateSettings) -> TemplateSettings {
    let differs = |(name, value): &(&String, &SettingValue)| match found.settings.get(*name) {
        // The gateway takes it with a slash at its end too.
        Some(SettingValue::Text(there)) if *name == setting::APP_AUTHORITY => {
            !is_same(there.trim_end_matches('/'), value)
        }
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
    (credential, held_by): (&Step, &Holder),
) -> Vec<Step> {
    let mut steps = Vec::new();
    match mode {
        Mode::WorkloadIdentity => steps.push(service_account(facts, account)),
        // The credential counts as there only if the Secret holds it.
        _ if is_held(credential) => {
            let text = format!("secret/{secret} in namespace {} has it", facts.cluster.namespace);
            steps.push(Step::ok(Part::Secret, text));
        }
        _ => steps.push(stored(facts, mode, secret, held_by)),
    }
    if let Some(workload) = &facts.cluster.workload {
        let is_new = steps.iter().any(|step| step.action.is_some());
        let is_owed = match mode {
            Mode::WorkloadIdentity => lacks_identity(facts, workload, account),
            _ => owes_restart(facts, workload, held_by),
        };
        let template = template(facts, workload, mode, wanted, (is_new, is_owed));
        let proof = proof(facts, workload, &template).or_else(|| unfinished(facts, workload, &template));
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
    let step = noting_deletions(Step::unknown(Part::Proof, text).doing(action), workload);
    Some(match &workload.replacement {
        Replacement::ByHand(_) => noting_replacement(step, workload, &facts.cluster.namespace),
        _ => step,
    })
}

/// A rollout that something else has begun: its new pods may not get ready.
fn unfinished(facts: &EntraFacts, workload: &WorkloadSide, template: &Step) -> Option<Step> {
    let left = workload
        .still_replaces
        .as_ref()
        .filter(|_| template.mark == StepMark::Ok)?;
    let text = format!(
        "whether the new pods of {} in namespace {} get ready is not known: its rollout has not ended: {left}",
        workload.workload.short(),
        facts.cluster.namespace
    );
    Some(Step::unknown(Part::Proof, text))
}

/// What the wait for new pods deletes.
fn noting_deletions(step: Step, workload: &WorkloadSide) -> Step {
    if !workload.ordered {
        return step;
    }
    step.note(
        "a pod that is not ready is deleted, because a StatefulSet replaces a pod only once it is ready; \
         that needs the right to delete pods",
    )
}

/// `is_new` if what the pods read at their start is written, `is_owed` if it was.
fn template(
    facts: &EntraFacts,
    workload: &WorkloadSide,
    mode: Mode,
    wanted: &TemplateSettings,
    restart: (bool, bool),
) -> Step {
    let namespace = &facts.cluster.namespace;
    if workload.is_deleted {
        let text = format!("{} is being deleted", workload.workload);
        return Step::stop(Part::Workload, text).hint(workload.workload.deletion_hint(namespace));
    }
    let step = change_of_template(facts, workload, mode, wanted, restart);
    let step = own_variables::noting_unchecked(step, facts, workload, mode);
    let is_restart = matches!(step.action, Some(Action::RestartWorkload { .. }));
    if step.to_apply().is_none() {
        // The command that is printed does not replace every pod either.
        return if is_restart {
            noting_replacement(step, workload, namespace)
        } else {
            step
        };
    }
    let name = workload.workload.short();
    if workload.paused {
        return Step::stop(
            Part::Workload,
            format!("{name} in namespace {namespace} is paused, so its pods are not replaced"),
        )
        .hint(format!(
            "resume it first: kubectl -n {namespace} rollout resume {name}"
        ));
    }
    noting_replacement(noting_deletions(step, workload), workload, namespace)
}

/// How the pods are replaced, if not one after the other by their controller.
fn noting_replacement(step: Step, workload: &WorkloadSide, namespace: &str) -> Step {
    match &workload.replacement {
        Replacement::Rolling => step,
        Replacement::Interrupting(why) => step.note(format!("the gateway is interrupted: {why}")),
        Replacement::ByHand(_) if workload.partition > 0 => step.note(format!(
            "the pods below the partition {} stay as they are, even if somebody deletes them; to have them replaced \
             too: {}",
            workload.partition,
            workload.workload.without_partition(namespace)
        )),
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
    (is_new, is_owed): (bool, bool),
) -> Step {
    let part = Part::Workload;
    let name = format!(
        "{} in namespace {}",
        workload.workload.short(),
        facts.cluster.namespace
    );
    let contradiction = || own_variables::contradiction(facts, workload, mode, &name);
    let add = lacking(&workload.template, wanted);
    // The settings of another kind are shown instead.
    let is_switch = workload.signs_in != Ok(SignsIn::By(mode)) && add != TemplateSettings::default();
    let two = || two_credentials(facts, workload, mode, &name).filter(|_| !is_switch);
    let refused = other_gateway(facts, workload, &name)
        .or_else(contradiction)
        .or_else(two)
        .or_else(|| other_mount(workload, mode, &name));
    if let Some(refused) = refused {
        return refused;
    }
    if add == TemplateSettings::default() {
        if is_new || is_owed {
            return restart(facts, workload, mode, &name);
        }
        let step = Step::ok(part, format!("{name} signs in by {}", mode.as_str()));
        return with_clear_secret(step, facts, workload, &name);
    }
    let action = Action::ConfigureWorkload {
        workload: workload.workload.clone(),
        container: workload.container.clone(),
        add: Box::new(add.clone()),
    };
    let text = format!("set in {name}: {}", in_words(&add));
    let step = match &workload.signs_in {
        Ok(SignsIn::Not) => Step::create(part, text, action),
        Ok(SignsIn::By(now)) if *now == mode => Step::change(part, text, action),
        Ok(now) => {
            let step = Step::change(part, text, action).impossible(&format!(
                "it signs in {}, and is not switched; these settings switch it",
                now.in_words()
            ));
            match other_credential(workload, mode) {
                Some(other) => step.hint(without(facts, workload, other)),
                None => step,
            }
        }
        Err(why) => Step::change(part, text, action)
            .impossible(&format!("how it signs in now is not known: {}", why.why())),
    };
    let step = with_clear_secret(step, facts, workload, &name);
    match &workload.owner {
        Some(owner) => step.impossible(&format!(
            "it belongs to {owner}, which would undo it; set it there"
        )),
        None => step.permitted(&facts.rights.change_workload, "change the workload"),
    }
}

/// The setting of the credential that another mode needs, and that is there.
fn other_credential(workload: &WorkloadSide, mode: Mode) -> Option<&'static str> {
    let other = match mode {
        Mode::AppCertificate => setting::APP_SECRET,
        Mode::AppSecret => setting::APP_CERTIFICATE,
        Mode::WorkloadIdentity => return None,
    };
    let is_clear = other == setting::APP_SECRET && workload.clear_secret.is_some();
    (is_clear || workload.template.settings.contains_key(other)).then_some(other)
}

/// How to take a setting away.
fn without(facts: &EntraFacts, workload: &WorkloadSide, setting: &str) -> String {
    format!(
        "take away what the container then has no use for: kubectl -n {} set env {} -c {} {setting}-",
        facts.cluster.namespace,
        workload.workload.short(),
        workload.container
    )
}

/// Of a client secret and a certificate, the gateway may take neither.
fn two_credentials(facts: &EntraFacts, workload: &WorkloadSide, mode: Mode, name: &str) -> Option<Step> {
    let other = other_credential(workload, mode)?;
    let text = format!("{name} sets {other} too, so which credential the gateway uses is not certain");
    let step = Step::stop(Part::Workload, text);
    let in_map = matches!(workload.clear_secret, Some(ClearSecret::ConfigMap { .. }));
    Some(if in_map && !workload.template.settings.contains_key(other) {
        with_clear_secret(step, facts, workload, name)
    } else {
        step.hint(without(facts, workload, other))
    })
}

/// The gateway may need what is mounted where the certificate belongs.
fn other_mount(workload: &WorkloadSide, mode: Mode, name: &str) -> Option<Step> {
    let volume = workload.other_volume.as_ref()?;
    if mode != Mode::AppCertificate {
        return None;
    }
    let text =
        format!("{name} mounts its volume {volume} at {CERTIFICATE_FOLDER}, where the certificate belongs");
    Some(Step::stop(Part::Workload, text).hint("mount that volume at another path, or choose another --mode"))
}

/// The step, which also names a client secret in clear: no ConfigMap is written.
fn with_clear_secret(step: Step, facts: &EntraFacts, workload: &WorkloadSide, name: &str) -> Step {
    let note = |place: &str| {
        format!(
            "{place} has a client secret in clear; remove it there and in Entra, once the new one is proved"
        )
    };
    match &workload.clear_secret {
        None => step,
        Some(ClearSecret::Workload) => step.note(note(name)),
        Some(ClearSecret::ConfigMap {
            name: map,
            key,
            immutable,
        }) => {
            let patch = format!(r#"[{{"op":"remove","path":"/data/{key}"}}]"#);
            let kubectl = format!("kubectl -n {}", facts.cluster.namespace);
            let patched = format!(
                "{kubectl} patch configmap {map} --type json -p {}",
                shell_word(&patch)
            );
            let step = step.note(note(&format!("configmap/{map}")));
            if *immutable {
                // kubectl patches what it prints, and not what is there.
                return step.hint(format!(
                    "replace it, since it is immutable: {patched} --dry-run=client -o yaml | {kubectl} replace --force -f -"
                ));
            }
            step.hint(format!("remove it there: {patched}"))
        }
    }
}

fn restart(facts: &EntraFacts, workload: &WorkloadSide, mode: Mode, name: &str) -> Step {
    let action = Action::RestartWorkload {
        workload: workload.workload.clone(),
        container: workload.container.clone(),
    };
    let why = match mode {
        Mode::WorkloadIdentity => "its pods get their identity only when they are created",
        _ => "its pods read their credential only when they start",
    };
    let step = Step::change(Part::Workload, format!("restart {name}: {why}"), action);
    let step = match &workload.owner {
        Some(owner) => step.impossible(&format!("it belongs to {owner}")),
        None => step.permitted(&facts.rights.change_workload, "change the workload"),
    };
    if step.left_to_others().is_none() {
        return step;
    }
    step.hint(format!(
        "restart it once the rest is done: kubectl -n {} rollout restart {}",
        facts.cluster.namespace,
        workload.workload.short()
    ))
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
