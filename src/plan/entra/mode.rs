//! How the gateway will sign in.

use super::facts::{AppKind, EntraFacts, IssuerFacts};
use super::federated::audience;
use super::image::{Allowed, Image};
use super::step::{Part, Step, StepMark};
use crate::error::{Error, Result};
use crate::model::entra::{Mode, SetupRequest, SignsIn, is_same_but_slash};
use crate::model::quote::shell_word;
use crate::model::{Cloud, CloudName, Unavailable, cleaned};

/// The mode that was asked for, that the workload has already, or the best one that
/// works. Without one, the error names the modes.
pub fn choose_mode(facts: &EntraFacts, request: &SetupRequest) -> Result<Mode> {
    let is_identity = matches!(&facts.app, Ok(Some(app)) if matches!(app.kind, AppKind::Identity(..)));
    let now = facts.cluster.workload.as_ref();
    let now = now.and_then(|it| it.signs_in.as_ref().ok()).copied();
    let chosen = match (request.mode, now) {
        (Some(mode), _) | (None, Some(SignsIn::By(mode))) => mode,
        (None, _) => {
            if let Some(problem) = against_identity(facts, request).filter(|_| !is_identity) {
                return Err(problem);
            }
            Mode::WorkloadIdentity
        }
    };
    if is_identity && chosen.is_stored() {
        return Err(Error::usage(format!(
            "--app is a managed identity, which has no secrets and certificates, and so cannot be used with the mode {}",
            chosen.as_str()
        ))
        .hint("run the same command with --mode workload-identity"));
    }
    // A mode on the command line was compared with the flags before.
    let unasked = request.mode.is_none().then(|| request.without_effect(chosen));
    if let Some(flag) = unasked.flatten() {
        return Err(Error::usage(format!(
            "{flag} has no effect with the mode {}, which is chosen without --mode",
            chosen.as_str()
        ))
        .hint(format!("leave {flag} out, or choose another mode with --mode")));
    }
    Ok(chosen)
}

/// Why workload identity is not chosen unasked: what is certain counts before what is not
/// known.
fn against_identity(facts: &EntraFacts, request: &SetupRequest) -> Option<Error> {
    let problems = image(facts, Mode::WorkloadIdentity)
        .into_iter()
        .chain([issuer(facts, request), webhook(facts, request)])
        .filter(speaks_against);
    let problems: Vec<Step> = problems.collect();
    let other = format!("choose {}", other_modes(request));
    let is_unknown = |step: &&Step| {
        step.mark == StepMark::Unknown || (step.part == Part::Webhook && facts.webhook.is_err())
    };
    if let Some(certain) = problems.iter().find(|step| !is_unknown(step)) {
        let why = format!(
            "the gateway cannot sign in by workload identity: {}",
            certain.text
        );
        return Some(Error::usage(why).hint(other));
    }
    let stops = problems.iter().find(|step| step.stops.is_some());
    let problem = stops.or(problems.first())?;
    let error = Error::usage(format!(
        "whether the gateway can sign in by workload identity is not known: {}",
        problem.text
    ));
    Some(if stops.is_some() {
        problem.hints.iter().fold(error, Error::hint)
    } else {
        error
            .hint("--mode workload-identity tries it")
            .hint(format!("or {other}"))
    })
}

/// The other modes, which refuse the flag of a ServiceAccount.
fn other_modes(request: &SetupRequest) -> String {
    let without = match &request.service_account {
        Some(_) => ", without --service-account",
        None => "",
    };
    format!("another mode: --mode app-certificate or --mode app-secret{without}")
}

/// Whether a mode is not chosen unasked: what is not known speaks against it too,
/// except for an image without a version.
fn speaks_against(step: &Step) -> bool {
    let is_unknown = step.mark == StepMark::Unknown && step.part != Part::Image;
    is_unknown || step.mark == StepMark::Missing
}

/// What the mode needs of the image and of the cluster.
pub(super) fn steps(facts: &EntraFacts, request: &SetupRequest, mode: Mode) -> Vec<Step> {
    let mut steps: Vec<Step> = image(facts, mode).into_iter().collect();
    if mode == Mode::WorkloadIdentity {
        steps.push(issuer(facts, request));
        let other = other_audience(facts, request).or_else(|| other_authority(facts));
        steps.push(other.unwrap_or_else(|| webhook(facts, request)));
    }
    steps
}

fn image(facts: &EntraFacts, mode: Mode) -> Option<Step> {
    let workload = facts.cluster.workload.as_ref()?;
    let name = cleaned(&workload.image);
    Some(match Image::parse(&workload.image).allows(mode) {
        Allowed::Yes => Step::ok(
            Part::Image,
            format!("the image {name} can sign in by {}", mode.as_str()),
        ),
        Allowed::TooOld(oldest) => {
            let text = format!(
                "the image {name} is older than {oldest}, which {} needs",
                mode.as_str()
            );
            Step::stop(Part::Image, text).hint(format!(
                "use a newer image: kubectl -n {} set image {} {}=mcr.microsoft.com/azure-api-management/gateway:VERSION",
                facts.cluster.namespace,
                workload.workload.short(),
                workload.container
            ))
        }
        Allowed::Unknown(why) => Step::unknown(
            Part::Image,
            format!(
                "whether the image {name} can sign in by {} is not known: {why}",
                mode.as_str()
            ),
        ),
    })
}

/// Entra reads the issuer's documents without login, and takes tokens of RS256 only.
fn issuer(facts: &EntraFacts, request: &SetupRequest) -> Step {
    let part = Part::Issuer;
    let issuer = match &facts.issuer {
        Ok(issuer) => issuer,
        Err(why) => return Step::unknown(part, format!("issuer of the cluster's tokens: {}", why.why())),
    };
    let name = cleaned(&issuer.name);
    if let Some(problem) = problem_of(issuer) {
        return Step::stop(part, format!("the issuer {name} {problem}"))
            .hint(format!("choose {}", other_modes(request)));
    }
    Step::ok(part, format!("the issuer {name} is public, and signs with RSA")).id("issuer", &issuer.name)
}

fn problem_of(issuer: &IssuerFacts) -> Option<String> {
    let authority = issuer.name.strip_prefix("https://");
    let host = authority
        .and_then(|rest| rest.split(['/', ':']).next())
        .unwrap_or_default();
    if host.is_empty() {
        return Some("is not https, so Entra does not accept it".to_owned());
    }
    if host == "kubernetes.default" || host.starts_with("kubernetes.default.") {
        return Some("is known only inside the cluster, so Entra cannot read its keys".to_owned());
    }
    match &issuer.published {
        Err(why) => return Some(format!("is not public: {}", why.why())),
        Ok(published) if is_same_but_slash(published, &issuer.name) => {
            return Some(format!(
                "differs from its public document in the last slash: it has {}",
                cleaned(published)
            ));
        }
        Ok(published) if *published != issuer.name => {
            return Some(format!(
                "is another one in its public document: {}",
                cleaned(published)
            ));
        }
        Ok(_) => {}
    }
    match &issuer.key_types {
        Err(why) => Some(format!("does not publish its keys: {}", why.why())),
        Ok(types) if types.iter().any(|it| it == "RSA") => None,
        Ok(_) => Some("has no RSA key, and Entra accepts no other".to_owned()),
    }
}

fn webhook(facts: &EntraFacts, request: &SetupRequest) -> Step {
    let part = Part::Webhook;
    let namespace = &facts.cluster.namespace;
    match &facts.webhook {
        Ok(Some(injected)) => {
            let tenant = match &injected.tenant {
                Some(tenant) => format!(" and AZURE_TENANT_ID {}", cleaned(tenant)),
                None => String::new(),
            };
            let text = format!(
                "the webhook of Azure Workload Identity answers; it injects the token as {}{tenant}",
                cleaned(&injected.token_file)
            );
            Step::ok(part, text)
        }
        Ok(None) => without_webhook(facts, request),
        Err(Unavailable::Forbidden(why)) => Step::stop(
            part,
            format!("whether the webhook of Azure Workload Identity answers cannot be rehearsed: {why}"),
        )
        .hint(format!(
            "ask for the right: kubectl auth can-i create pods -n {namespace}"
        ))
        .hint(format!("or choose {}", other_modes(request))),
        Err(Unavailable::Unknown(why)) => {
            Step::unknown(part, format!("webhook of Azure Workload Identity: {why}"))
        }
    }
}

/// Entra compares the audience of the pod's token with that of the federated credential.
fn other_audience(facts: &EntraFacts, request: &SetupRequest) -> Option<Step> {
    let injected = facts.webhook.as_ref().ok()?.as_ref()?.audience.as_ref()?;
    let wanted = audience(facts, request)
        .ok()
        .filter(|wanted| wanted != injected)?;
    let text = format!(
        "the webhook of Azure Workload Identity injects tokens for the audience {injected}, not for {}",
        cleaned(&wanted)
    );
    let flag = format!("--federation-audience {}", shell_word(injected));
    Some(match request.federation_audience {
        Some(_) => Step::stop(Part::Webhook, text).hint(format!("let Entra accept those: {flag}")),
        // The cloud's own is the documented one.
        None => Step::unknown(Part::Webhook, text).hint(format!(
            "if Azure refuses the pods, let the webhook inject that audience, or let Entra accept its own: {flag}"
        )),
    })
}

/// The webhook may be set up for another cloud.
fn other_authority(facts: &EntraFacts) -> Option<Step> {
    let injected = facts.webhook.as_ref().ok()?.as_ref()?.authority.as_ref()?;
    let is_same = |authority: &str| injected.trim_end_matches('/').eq_ignore_ascii_case(authority);
    let mut clouds = CloudName::ALL
        .into_iter()
        .map(|name| Cloud::known(name).authority);
    (!is_same(&facts.authority) && clouds.any(|authority| is_same(&authority))).then(|| {
        let text = format!(
            "the webhook of Azure Workload Identity lets pods sign in at {injected}, not at {}",
            facts.authority
        );
        Step::unknown(Part::Webhook, text).hint("set up the webhook for the cloud of the instance")
    })
}

/// The webhook has not injected anything into the gateway's container.
fn without_webhook(facts: &EntraFacts, request: &SetupRequest) -> Step {
    let workload = facts.cluster.workload.as_ref();
    let skipped = workload.and_then(|it| Some((it, it.skipped_by?)));
    let step = if let Some((workload, annotation)) = skipped {
        let name = workload.workload.short();
        let text = format!(
            "the webhook of Azure Workload Identity leaves the container {} out: the annotation {annotation} of the \
             pods of {name} names it",
            workload.container
        );
        Step::stop(Part::Webhook, text).hint(format!(
            "take it out of the annotation: kubectl -n {} edit {name}",
            facts.cluster.namespace
        ))
    } else {
        let text = "the webhook of Azure Workload Identity is missing: a pod with its label stays as it is";
        Step::stop(Part::Webhook, text)
            .hint("on AKS: az aks update --name NAME --resource-group GROUP --enable-oidc-issuer --enable-workload-identity")
            .hint("elsewhere, install the Helm chart workload-identity-webhook of github.com/Azure/azure-workload-identity")
    };
    step.hint(format!("or choose {}", other_modes(request)))
}
