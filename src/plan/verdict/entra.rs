//! What a verdict says of a credential of Entra, and of the sign-in by it.

use uuid::Uuid;

use super::super::entra::{Link, LinkState, Part, credentials, right_tenant, role_in_the_way};
use super::assessment::{Assessment, Verdict};
use super::expiry::lost;
use super::stale::rollout_left;
use crate::model::entra::{Mode, OwnVariables, default_secret};
use crate::model::quote::word;
use crate::model::{
    Auth, EntraSignIn, GatewayFacts, GatewayId, PrintedCommand, Unavailable, WorkloadRef, counted, known,
    setting, shortened,
};

/// The credential of a gateway, in a sentence.
pub const fn credential_in_words(auth: Auth) -> &'static str {
    match auth {
        Auth::AppSecret => "the client secret",
        Auth::Certificate => "the certificate",
        Auth::Unknown => "the credential",
        Auth::Token | Auth::WorkloadIdentity => "the token",
    }
}

/// Why it is not known when the credential of an app expires.
pub(super) fn unknown_expiry(auth: Auth, sign_in: &EntraSignIn) -> String {
    let what = credential_in_words(auth);
    let only = format!("only Entra shows when {what} of the gateway's app expires");
    if let Some(why) = lost(sign_in) {
        return format!("{only}: {why}");
    }
    if let Some(azure) = &sign_in.azure {
        return match (&sign_in.client_id, &azure.application) {
            (Err(why), _) => format!("{only}, and the app is not known: {}", why.why()),
            (_, Err(why)) => format!("{only}, and it could not be asked: {}", why.why()),
            (_, Ok(None)) => format!("{only}, and the tenant has no registration of the app"),
            (_, Ok(Some(app))) => {
                let (all, kind) = credentials(app, auth);
                format!(
                    "it is not known which of the {} of the app {} the gateway uses, and one may have expired",
                    counted(all.len(), kind, &format!("{kind}s")),
                    shortened(&app.display_name, 256)
                )
            }
        };
    }
    match (&sign_in.stored, &sign_in.certificate) {
        (Some(Err(why)), _) | (_, Some(Err(why))) => format!("{only}: {}", why.why()),
        _ => format!("{only}; ask it with --azure"),
    }
}

/// The first part that keeps the gateway from signing in.
fn first_broken(links: &[Link]) -> Option<(Part, &str)> {
    links.iter().find_map(|link| match &link.state {
        LinkState::Broken(why) => Some((link.part, why.as_str())),
        _ => None,
    })
}

pub(super) fn broken(facts: &GatewayFacts, links: &[Link]) -> Option<String> {
    let (part, why) = first_broken(links)?;
    let own = match facts.entra().map(|it| &it.own_variables) {
        Some(own) if depends_on_variables(part) && own.mix_with_the_webhook() && part != Part::Workload => {
            format!("; the container sets {} itself", own.in_words())
        }
        _ => String::new(),
    };
    let first = match facts.entra().map(|it| (it, app(it, Some(part)))) {
        Some((sign_in, App::OfOther(workload))) => {
            let what = match &facts.secret {
                Some((secret, _)) => format!("secret/{secret}"),
                None => format!("serviceaccount/{}", sign_in.service_account),
            };
            let other = workload.short();
            format!("; set up {other} first, which has the same {what}")
        }
        _ => String::new(),
    };
    let others = links
        .iter()
        .filter(|link| matches!(link.state, LinkState::Broken(_)))
        .count()
        - 1;
    Some(match others {
        0 => format!("{why}{own}{first}"),
        _ => format!(
            "{why}{own}{first}; {}",
            counted(others, "more problem", "more problems")
        ),
    })
}

/// The app that a set-up gives a gateway.
enum App<'a> {
    Known(Uuid),
    /// Nothing shows one.
    New,
    /// There is one, and it was not read which.
    Unread,
    /// The one that the set-up of another workload gives both.
    OfOther(&'a WorkloadRef),
}

fn app(sign_in: &EntraSignIn, broken: Option<Part>) -> App<'_> {
    // The credential that the Secret holds is of this one, whatever the container names.
    let recorded = sign_in.recorded().and_then(|secret| secret.marks.app.client_id);
    if let (Some(recorded), Ok(named), Some(_)) = (recorded, &sign_in.client_id, broken)
        && recorded != *named
    {
        return App::Known(recorded);
    }
    let named = match &sign_in.client_id {
        Ok(id) if broken != Some(Part::App) => return App::Known(*id),
        Err(Unavailable::Forbidden(_)) => return App::Unread,
        named => named.as_ref().ok(),
    };
    // What running pods have is what was there before.
    let mut given = sign_in.given.iter().filter(|id| Some(*id) != named);
    match (given.next(), given.next()) {
        (Some(id), None) => return App::Known(*id),
        (Some(_), Some(_)) => return App::Unread,
        (None, _) => {}
    }
    match &sign_in.shared_with {
        Some(other) if broken.is_some() => App::OfOther(other),
        Some(_) => App::Unread,
        None => App::New,
    }
}

/// Why it is not known whether the pods get what the set-up has made: their container
/// sets some of it, and not everything was checked.
pub(super) fn own_variables(facts: &GatewayFacts, links: &[Link]) -> Option<String> {
    let sign_in = facts.entra()?;
    let (own, is_asked) = (&sign_in.own_variables, sign_in.azure.is_some());
    let is_checked = |link: &Link| !matches!(link.state, LinkState::Unknown(_));
    let all_checked = is_asked && links.iter().all(is_checked);
    (own.mix_with_the_webhook() && !all_checked).then(|| {
        let next = if links.is_empty() {
            "; check it with --azure"
        } else {
            ""
        };
        format!(
            "the container sets {}, which the webhook of Azure Workload Identity leaves as it is{next}{}",
            own.in_words(),
            unchecked(links)
        )
    })
}

/// The command that leaves to the webhook what the container sets.
fn leave_to_webhook(facts: &GatewayFacts, own: &OwnVariables) -> PrintedCommand {
    let names: Vec<String> = own.names().map(|name| format!("{name}-")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    set_env(facts, &names)
}

/// The command that changes variables of the container.
fn set_env(facts: &GatewayFacts, changes: &[&str]) -> PrintedCommand {
    let workload = facts.workload.short();
    PrintedCommand::new(&["kubectl", "-n", &facts.namespace, "set", "env", &workload])
        .with(&["-c", &facts.container])
        .with(changes)
}

/// What else to know of a gateway that may sign in, to follow a reason.
pub(super) fn besides(facts: &GatewayFacts, links: &[Link]) -> String {
    match facts.entra() {
        Some(_) => format!("{}{}", unchecked(links), rollout_left(facts)),
        None => String::new(),
    }
}

/// What could not be checked, to follow a reason.
pub(super) fn unchecked(links: &[Link]) -> String {
    let mut unknown = links.iter().filter_map(|link| match &link.state {
        LinkState::Unknown(why) => Some(why.why()),
        _ => None,
    });
    match unknown.next() {
        None => String::new(),
        Some(first) => {
            let parts = counted(1 + unknown.count(), "part of its sign-in", "parts of its sign-in");
            format!("; {parts} could not be checked: {first}")
        }
    }
}

/// The command that mends the sign-in, or renews the credential.
pub(super) fn set_up(facts: &GatewayFacts, assessment: &Assessment) -> Option<PrintedCommand> {
    let sign_in = facts.entra()?;
    let GatewayFacts {
        namespace, workload, ..
    } = facts;
    let broken = first_broken(&assessment.links)
        .filter(|_| assessment.verdict == Verdict::CannotSignIn)
        .map(|(part, _)| part);
    if let Some(command) = broken.and_then(|part| without_set_up(part, facts, sign_in)) {
        return Some(command);
    }
    let mut command = PrintedCommand::new(&["kubectl", "apim", "entra", "setup", &workload.short()])
        .with(&["-n", namespace]);
    if let Some(GatewayId { service, name }) = gateway_id(facts, sign_in) {
        let values = [
            &service.subscription,
            &service.resource_group,
            &service.name,
            &name,
        ];
        let flags = ["-s", "-r", "-a", "-g"].into_iter().zip(values);
        command = flags.fold(command, |command, (flag, value)| command.with(&[flag, value]));
    }
    command = match app(sign_in, broken) {
        App::Known(id) => command.with(&["--app", &id.to_string()]),
        App::New => command.with(&["--create-app", &workload.name]),
        App::Unread => command.with(&["--app"]).with_placeholder("CLIENT-ID"),
        App::OfOther(_) => return None,
    };
    if sign_in.lacking.setting == Some(setting::APP_SECRET) {
        command = command.with(&["--mode", Mode::AppSecret.as_str()]);
    }
    if facts.auth == Auth::WorkloadIdentity && sign_in.service_account == "default" {
        command = command.with(&["--service-account", &workload.name]);
    }
    let is_broken = |part| {
        let mut links = assessment.links.iter();
        links.any(|link| link.part == part && matches!(link.state, LinkState::Broken(_)))
    };
    if is_broken(Part::Identity) {
        command = command.with(&["--enable-identity"]);
    }
    if matches!(&facts.azure, Some(Ok(found)) if !found.exists) {
        // A shell does not take it as it is.
        command = command.with(&["--location-name"]).with_placeholder("<NAME>");
    }
    if let Some((secret, _)) = &facts.secret
        && sign_in.in_clear.is_none()
        && *secret != default_secret(&workload.name)
    {
        command = command.with(&["--secret", secret]);
    }
    Some(command)
}

/// The command for what a set-up leaves alone, or would stop at.
fn without_set_up(part: Part, facts: &GatewayFacts, sign_in: &EntraSignIn) -> Option<PrintedCommand> {
    let on_workload = PrintedCommand::new(&["kubectl", "-n", &facts.namespace]);
    let workload = facts.workload.short();
    // The webhook would set the right ones.
    if depends_on_variables(part) && sign_in.own_variables.mix_with_the_webhook() {
        return Some(leave_to_webhook(facts, &sign_in.own_variables));
    }
    match part {
        Part::Tenant => right_tenant(sign_in).map(|tenant| {
            let change = format!("{}={tenant}", setting::APP_TENANT);
            set_env(facts, &[&change])
        }),
        Part::Gateway => recorded_gateway(facts, sign_in).map(|name| {
            let change = format!("{}={name}", setting::GATEWAY_NAME);
            set_env(facts, &[&change])
        }),
        Part::Webhook if sign_in.lacking.skipped && !sign_in.lacking.label => {
            Some(on_workload.with(&["edit", &workload]))
        }
        // A shell does not take it as it is.
        Part::Image => Some(
            on_workload
                .with(&["set", "image", &workload])
                .with_placeholder(&format!(
                    "{}=mcr.microsoft.com/azure-api-management/gateway:<VERSION>",
                    word(&facts.container)
                )),
        ),
        _ => by_az(part, sign_in),
    }
}

/// The gateway that the credential was made for, if the container names one that does not
/// exist.
fn recorded_gateway(facts: &GatewayFacts, sign_in: &EntraSignIn) -> Option<String> {
    let named = facts.gateway.as_ref().ok()?;
    let recorded = GatewayId::parse(sign_in.recorded()?.marks.gateway.as_deref()?).ok()?;
    let is_other = sign_in.lacking.setting.is_none() && !recorded.name.eq_ignore_ascii_case(named);
    is_other.then_some(recorded.name)
}

/// For what is there and disabled, and for a role that grants something else.
fn by_az(part: Part, sign_in: &EntraSignIn) -> Option<PrintedCommand> {
    let azure = sign_in.azure.as_deref()?;
    let principal = known(&azure.service_principal);
    let application = known(&azure.application);
    match part {
        Part::ServicePrincipal => principal.filter(|found| !found.enabled).map(|found| {
            PrintedCommand::new(&["az", "ad", "sp", "update", "--id", &found.id.to_string()])
                .with(&["--set", "accountEnabled=true"])
        }),
        Part::App => application
            .map(|app| PrintedCommand::new(&["az", "ad", "app", "show", "--id", &app.app_id.to_string()])),
        Part::Tier => azure.access.as_ref().ok().map(|access| {
            let service = &access.service;
            PrintedCommand::new(&["az", "apim", "show", "--name", &service.name])
                .with(&["--resource-group", &service.resource_group])
                .with(&["--subscription", &service.subscription, "--query", "sku"])
        }),
        _ => role_in_the_way(part, azure),
    }
}

/// Whether a part is missing for the app that the container names, and may be there for
/// the one that the `ServiceAccount` names.
const fn depends_on_variables(part: Part) -> bool {
    matches!(
        part,
        Part::App | Part::ServicePrincipal | Part::Credential | Part::ReaderAssignment | Part::Workload
    )
}

fn gateway_id(facts: &GatewayFacts, sign_in: &EntraSignIn) -> Option<GatewayId> {
    let access = sign_in
        .azure
        .as_ref()
        .and_then(|azure| azure.access.as_ref().ok());
    let name = facts.gateway.as_ref().ok();
    let found = access
        .zip(name)
        .map(|(access, name)| access.service.gateway(name.clone()));
    found.or_else(|| facts.recorded.clone())
}

pub(super) fn fix_unknown(facts: &GatewayFacts, sign_in: &EntraSignIn) -> PrintedCommand {
    let GatewayFacts { namespace, .. } = facts;
    if facts.auth == Auth::WorkloadIdentity && sign_in.azure.is_none() {
        return PrintedCommand::new(&["kubectl", "apim", "status", "-n", namespace, "--azure"]);
    }
    if sign_in.own_variables.mix_with_the_webhook() {
        return leave_to_webhook(facts, &sign_in.own_variables);
    }
    if let (Some(Err(Unavailable::Forbidden(_))), Some((secret, _)), None) =
        (&sign_in.stored, &facts.secret, &sign_in.azure)
    {
        let secret = format!("secret/{secret}");
        return PrintedCommand::new(&["kubectl", "auth", "can-i", "get", &secret, "-n", namespace]);
    }
    let listing = PrintedCommand::new(&["az", "ad", "app", "credential", "list"]);
    match (&sign_in.client_id, facts.auth) {
        (Err(_), _) => {
            let workload = facts.workload.to_string();
            PrintedCommand::new(&["kubectl", "describe", &workload, "-n", namespace])
        }
        (Ok(id), Auth::Certificate) => listing.with(&["--cert", "--id", &id.to_string()]),
        (Ok(id), _) => listing.with(&["--id", &id.to_string()]),
    }
}

/// Why nothing can renew a credential where it is.
pub(super) fn in_clear(sign_in: &EntraSignIn) -> Option<String> {
    let place = sign_in.in_clear.as_ref()?;
    Some(format!(
        "the client secret is in plain text in {place}; a set-up with a new one in a Secret replaces it"
    ))
}
