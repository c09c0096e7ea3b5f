//! The instance in Azure: its tenant, tier and identity, and the gateway.

use uuid::Uuid;

use super::facts::EntraFacts;
use super::step::{Action, Part, Step};
use crate::model::entra::{SettingValue, SetupRequest, SignsIn};
use crate::model::{cleaned, one_line, setting};

/// The tiers with self-hosted gateways (learn.microsoft.com, "Self-hosted gateway
/// overview").
const TIERS: [&str; 2] = ["Developer", "Premium"];

/// Whether instances of a tier have self-hosted gateways.
pub(super) fn has_gateways(tier: &str) -> bool {
    TIERS.iter().any(|it| it.eq_ignore_ascii_case(tier))
}

pub(super) fn steps(facts: &EntraFacts, request: &SetupRequest) -> Vec<Step> {
    let mut steps = vec![tier(facts), identity(facts, request), gateway(facts, request)];
    steps.extend(tenant(facts));
    steps
}

/// Names the instance in sentences.
fn instance(facts: &EntraFacts) -> String {
    cleaned(&facts.gateway.service.name)
}

/// Only a difference is a step: everything must be in one tenant.
fn tenant(facts: &EntraFacts) -> Option<Step> {
    let of_instance = || {
        let tenant = facts.instance.as_ref().ok()?.identity.tenant?;
        Some((tenant, format!("the instance {} belongs to", instance(facts))))
    };
    let of_workload = || {
        let workload = facts.cluster.workload.as_ref()?;
        let signs_in = matches!(workload.signs_in, Ok(SignsIn::By(mode)) if mode.is_stored());
        let Some(SettingValue::Text(tenant)) = workload.template.settings.get(setting::APP_TENANT) else {
            return None;
        };
        let tenant = Uuid::try_parse(tenant).ok().filter(|_| signs_in)?;
        Some((tenant, format!("{} signs in to", workload.workload.short())))
    };
    if let (Some((own, _)), Some((other, what))) = (of_instance(), of_workload())
        && own == facts.tenant
        && other != own
    {
        let text = format!("{what} tenant {other}, but the instance belongs to tenant {own}");
        let workload = facts.cluster.workload.as_ref()?;
        return Some(Step::stop(Part::Tenant, text).hint(format!(
            "correct it: kubectl -n {} set env {} -c {} {}={own}",
            facts.cluster.namespace,
            workload.workload.short(),
            workload.container,
            setting::APP_TENANT
        )));
    }
    let others = [of_instance(), of_workload()].into_iter().flatten();
    let (other, what) = others.into_iter().find(|(tenant, _)| *tenant != facts.tenant)?;
    let text = format!(
        "{what} tenant {other}, and you signed in to tenant {}",
        facts.tenant
    );
    Some(Step::stop(Part::Tenant, text).hint(format!("sign in to its tenant: --tenant {other}")))
}

fn tier(facts: &EntraFacts) -> Step {
    let name = instance(facts);
    match &facts.instance {
        Err(why) => Step::unknown(Part::Tier, format!("tier of the instance {name}: {}", why.why())),
        Ok(found) if has_gateways(&found.tier) => Step::ok(
            Part::Tier,
            format!("the instance {name} has the tier {}", found.tier),
        ),
        Ok(found) => {
            let text = format!(
                "the instance {name} has the tier {}, which has no self-hosted gateways",
                cleaned(&found.tier)
            );
            Step::stop(Part::Tier, text).hint(format!(
                "choose an instance with the tier {} with -a, or change the tier of this one",
                TIERS.join(" or ")
            ))
        }
    }
}

fn identity(facts: &EntraFacts, request: &SetupRequest) -> Step {
    let name = instance(facts);
    let part = Part::Identity;
    let found = match &facts.instance {
        Err(why) => return Step::unknown(part, format!("identity of the instance {name}: {}", why.why())),
        Ok(found) => found,
    };
    let users = found.identity.user_assigned.len();
    match found.identity.principal {
        Some(principal) => Step::ok(
            part,
            format!("the instance {name} has the system-assigned identity {principal}"),
        )
        .id("principalId", &principal),
        None if found.updating => Step::change(
            part,
            format!("the instance {name} is being updated; its system-assigned identity is awaited"),
            Action::AwaitIdentity,
        ),
        None if request.enable_identity => {
            let kept = match users {
                0 => String::new(),
                _ => format!("; its {users} user-assigned stay"),
            };
            let keep = found.identity.user_assigned.clone();
            Step::create(
                part,
                format!("enable the system-assigned identity of the instance {name}{kept}"),
                Action::EnableIdentity { keep },
            )
            .permitted(&facts.rights.change_instance, "change the instance")
        }
        None => {
            let only = if users == 0 {
                "no"
            } else {
                "only user-assigned identities and no"
            };
            Step::stop(part, format!("the instance {name} has {only} system-assigned identity, by which it checks the rights of gateways"))
                .hint("run the same command with --enable-identity")
        }
    }
}

fn gateway(facts: &EntraFacts, request: &SetupRequest) -> Step {
    let part = Part::Gateway;
    let name = cleaned(&facts.gateway.name);
    match (&facts.resource, &request.location_name) {
        (Err(why), _) => Step::unknown(part, format!("gateway {name} in API Management: {}", why.why())),
        (Ok(Some(resource)), _) => {
            let step = Step::ok(part, format!("the gateway {name} exists in API Management"))
                .id("gatewayId", &facts.gateway);
            match &resource.apis {
                Ok(0) => step.note(format!(
                    "no API is assigned to the gateway {name}, so it answers 404 to every request"
                )),
                _ => step,
            }
        }
        (Ok(None), Some(location)) => Step::create(
            part,
            format!(
                "create the gateway {name} in API Management, at the location {}",
                one_line(location)
            ),
            Action::CreateGateway {
                location: location.clone(),
            },
        )
        .note(format!(
            "no API is assigned to the gateway {name} yet, so it will answer 404 to every request"
        ))
        .permitted(&facts.rights.create_gateway, "create gateways of the instance"),
        (Ok(None), None) => Step::missing(
            part,
            format!(
                "the gateway {name} does not exist in the instance {}",
                instance(facts)
            ),
        )
        .hint("create it with --location-name NAME, such as the name of the data center"),
    }
}
