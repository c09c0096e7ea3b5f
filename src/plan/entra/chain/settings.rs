//! The settings of the container that decide where and with what it signs in.

use uuid::Uuid;

use super::super::step::Part;
use crate::model::entra::token_audience;
use crate::model::{
    Cloud, CloudName, EntraSignIn, Fact, GatewayFacts, Unavailable, cleaned, setting, shortened,
};

/// More than the host of an authority.
const LONGEST: usize = 256;

type Judged = (Part, Fact<Result<(), String>>);

/// Only what is wrong, or not certain.
pub(super) fn settings(facts: &GatewayFacts, sign_in: &EntraSignIn) -> Vec<Judged> {
    let found = &sign_in.settings;
    let broken = |part, why: Option<String>| Some((part, Ok(Err(why?))));
    let two = found.two_credentials.then(|| {
        let why = format!(
            "the container sets {} beside {}, so which credential it uses is not certain",
            setting::APP_SECRET,
            setting::APP_CERTIFICATE
        );
        (Part::Workload, Err(Unavailable::Unknown(why)))
    });
    let judged = [
        broken(Part::Tenant, other_tenant(sign_in)),
        broken(Part::Workload, other_audience(facts, sign_in)),
        broken(Part::Workload, other_authority(facts, sign_in)),
        broken(Part::Workload, odd_client(sign_in)),
        found
            .no_certificate
            .clone()
            .map(|why| (Part::Workload, why.map(Err))),
        two,
    ];
    judged.into_iter().flatten().collect()
}

/// The tenant of the instance, if it is not the one of the container.
pub fn right_tenant(sign_in: &EntraSignIn) -> Option<Uuid> {
    // A tenant has names too, which are not known.
    let found = Uuid::try_parse(sign_in.settings.tenant.as_deref()?).ok()?;
    let access = sign_in.azure.as_ref()?.access.as_ref().ok()?;
    access.identity.tenant.filter(|tenant| *tenant != found)
}

fn other_tenant(sign_in: &EntraSignIn) -> Option<String> {
    let tenant = right_tenant(sign_in)?;
    let found = sign_in.settings.tenant.as_deref()?;
    Some(format!(
        "the container signs in to tenant {}, but the tenant of the instance is {tenant}",
        cleaned(found)
    ))
}

fn odd_client(sign_in: &EntraSignIn) -> Option<String> {
    let found = sign_in.settings.odd_client.as_deref()?;
    Some(format!(
        "{} is not a GUID: `{}`",
        setting::APP_CLIENT,
        shortened(&cleaned(found), LONGEST)
    ))
}

fn other_audience(facts: &GatewayFacts, sign_in: &EntraSignIn) -> Option<String> {
    let (found, wanted) = (
        sign_in.settings.audience.as_deref()?,
        token_audience(facts.cloud?),
    );
    let is_same = found.trim_end_matches('/') == wanted;
    (!is_same).then(|| is_not(setting::TOKEN_AUDIENCE, found, wanted))
}

/// An authority has other names, so only that of another cloud is certainly wrong.
fn other_authority(facts: &GatewayFacts, sign_in: &EntraSignIn) -> Option<String> {
    let (found, own) = (sign_in.settings.authority.as_deref()?, facts.cloud?);
    let is_of = |cloud: &CloudName| {
        found
            .trim_end_matches('/')
            .eq_ignore_ascii_case(&Cloud::known(*cloud).authority)
    };
    let other = CloudName::ALL.into_iter().find(is_of)?;
    (other != own).then(|| is_not(setting::APP_AUTHORITY, found, &Cloud::known(own).authority))
}

fn is_not(setting: &str, found: &str, wanted: &str) -> String {
    format!(
        "{setting} is {}, not {wanted} as in the cloud of its endpoint",
        shortened(&cleaned(found), LONGEST)
    )
}
