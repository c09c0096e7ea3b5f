//! What the cluster has of a sign-in.

use uuid::Uuid;

use super::super::image::{Allowed, Image};
use super::super::instance::has_gateways;
use super::super::step::Part;
use crate::model::entra::{Mode, OwnVariables, SKIP_CONTAINERS, TENANT_ID_ANNOTATION, USE_LABEL};
use crate::model::setting::GATEWAY_NAME;
use crate::model::{
    Auth, Cloud, EntraInAzure, EntraSignIn, Fact, GatewayFacts, Unavailable, cleaned, shortened,
};

/// More than the name of a gateway.
const LONGEST: usize = 256;

/// What is certainly broken before Entra is asked.
pub(super) fn in_cluster(facts: &GatewayFacts, sign_in: &EntraSignIn) -> Vec<(Part, String)> {
    let lacking = &sign_in.lacking;
    let label = lacking.label.then(|| {
        format!(
            "the pods have no label {USE_LABEL}: \"true\", so the webhook of Azure Workload Identity injects nothing"
        )
    });
    let skipped = lacking.skipped.then(|| {
        format!(
            "the annotation {SKIP_CONTAINERS} of the pods names the container {}, so the webhook of Azure Workload Identity \
             injects nothing into it",
            facts.container
        )
    });
    let client_id = lacking
        .client_id
        .as_ref()
        .map(|why| format!("{why}, so the pods get no client id"));
    let is_gone = matches!(&facts.azure, Some(Ok(found)) if !found.exists);
    let unset = lacking.setting.map(|setting| {
        let part = if setting == GATEWAY_NAME {
            Part::Gateway
        } else {
            Part::Workload
        };
        (
            part,
            format!("{setting} is not set, which a sign-in by Entra needs"),
        )
    });
    let name = facts.gateway.as_ref().ok().filter(|_| is_gone).map(|name| {
        let name = shortened(&cleaned(name), LONGEST);
        format!("the gateway {name} does not exist in the instance")
    });
    let tier = match &facts.azure {
        Some(Ok(found)) if !has_gateways(&found.tier) => Some(format!(
            "the instance has the tier {}, which has no self-hosted gateways",
            shortened(&cleaned(&found.tier), LONGEST)
        )),
        _ => None,
    };
    let broken = [
        (Part::Image, old_image(facts)),
        (Part::Tier, tier),
        (Part::Gateway, name),
        (Part::Webhook, label.or(skipped)),
        (Part::ServiceAccount, client_id),
    ];
    let broken = broken.into_iter().filter_map(|(part, why)| Some((part, why?)));
    broken.chain(unset).collect()
}

fn old_image(facts: &GatewayFacts) -> Option<String> {
    let mode = match facts.auth {
        Auth::WorkloadIdentity => Mode::WorkloadIdentity,
        Auth::Certificate => Mode::AppCertificate,
        Auth::AppSecret => Mode::AppSecret,
        Auth::Token | Auth::Unknown => return None,
    };
    let Allowed::TooOld(oldest) = Image::parse(&facts.image).allows(mode) else {
        return None;
    };
    Some(format!(
        "the image {} is older than {oldest}, which {} needs",
        shortened(&cleaned(&facts.image), LONGEST),
        mode.as_str()
    ))
}

/// What pods do not get from the webhook of Azure Workload Identity, or get wrong.
pub(super) fn by_webhook(
    sign_in: &EntraSignIn,
    azure: &EntraInAzure,
) -> Vec<(Part, Fact<Result<(), String>>)> {
    let Some(federation) = &azure.federation else {
        return Vec::new();
    };
    let (own, lacking) = (&sign_in.own_variables, &sign_in.lacking);
    let webhook = match &federation.webhook {
        _ if sign_in.may_bring_token || lacking.label || lacking.skipped => None,
        Ok(true) => None,
        Ok(false) => Some(Ok(Err(
            "the webhook of Azure Workload Identity is not registered for the namespace, so it injects nothing"
                .to_owned(),
        ))),
        Err(why) => Some(Err(why.clone())),
    };
    let tenant = sign_in.tenant.as_ref();
    let tenant = tenant.filter(|_| !own.sets(OwnVariables::TENANT_ID) && lacking.client_id.is_none());
    let of_instance = azure.access.as_ref().ok().and_then(|it| it.identity.tenant);
    let tenant = tenant.zip(of_instance).and_then(|(found, of_instance)| {
        let annotation = format!(
            "the annotation {TENANT_ID_ANNOTATION} of serviceaccount/{} is {}",
            sign_in.service_account,
            shortened(&cleaned(found), LONGEST)
        );
        match Uuid::try_parse(found.trim()) {
            Ok(found) if found == of_instance => None,
            Ok(_) => Some(Ok(Err(format!(
                "{annotation}, but the tenant of the instance is {of_instance}"
            )))),
            // A tenant has names too.
            Err(_) => Some(Err(Unavailable::Unknown(format!(
                "{annotation}, which may be a name of the tenant {of_instance}"
            )))),
        }
    });
    let parts = [(Part::Webhook, webhook), (Part::ServiceAccount, tenant)];
    let parts = parts
        .into_iter()
        .filter_map(|(part, judged)| Some((part, judged?)));
    parts.collect()
}

/// What a container sets of a workload identity beside the client id, which decides
/// on the app.
pub(super) fn own_variables(
    facts: &GatewayFacts,
    own: &OwnVariables,
    azure: &EntraInAzure,
) -> Option<Fact<Result<(), String>>> {
    if !own.mix_with_the_webhook() {
        return None;
    }
    let access = azure.access.as_ref().ok();
    let tenant = access.and_then(|access| Some(access.identity.tenant?.to_string()));
    let other_tenant = own.value(OwnVariables::TENANT_ID).zip(tenant);
    if let Some((found, tenant)) = &other_tenant
        && Uuid::try_parse(found).is_ok()
        && !found.eq_ignore_ascii_case(tenant)
    {
        let set = OwnVariables::one_in_words(OwnVariables::TENANT_ID, Some(found));
        let why = format!("the container sets {set}, but the tenant of the instance is {tenant}");
        return Some(Ok(Err(why)));
    }
    let is_checked = |name: &str| match name {
        OwnVariables::CLIENT_ID => true,
        OwnVariables::TENANT_ID => {
            matches!(&other_tenant, Some((found, tenant)) if found.eq_ignore_ascii_case(tenant))
        }
        OwnVariables::AUTHORITY => {
            let found = own.value(name).map(|found| found.trim_end_matches('/'));
            let wanted = facts.cloud.map(|cloud| Cloud::known(cloud).authority);
            found
                .zip(wanted)
                .is_some_and(|(found, wanted)| found.eq_ignore_ascii_case(&wanted))
        }
        _ => false,
    };
    let unchecked: Vec<&str> = own.names().filter(|name| !is_checked(name)).collect();
    Some(if unchecked.is_empty() {
        Ok(Ok(()))
    } else {
        let names = unchecked.join(" and ");
        Err(Unavailable::Unknown(format!("the container sets {names} itself")))
    })
}
