//! What trusts the tokens of the cluster.

use super::facts::EntraFacts;
use super::objects::is_shared;
use super::step::{Action, Part, Step};
use super::unread::{of_unread_app, unread_part};
use crate::error::{Error, Result};
use crate::model::cleaned;
use crate::model::directory::FederatedCredential;
use crate::model::entra::{
    MOST_FEDERATED, SetupRequest, federated_name, federation_audience, is_same_but_slash, subject,
};

/// The audience of the cluster's tokens; a custom cloud has none that is known.
pub(super) fn audience(facts: &EntraFacts, request: &SetupRequest) -> Result<String> {
    let given = request.federation_audience.clone();
    let audience = given.or_else(|| facts.cloud.map(|cloud| federation_audience(cloud).to_owned()));
    audience.ok_or_else(|| {
        Error::usage("the audience of federated tokens is not known for this cloud")
            .hint("give it with --federation-audience AUDIENCE")
    })
}

pub(super) fn federated(facts: &EntraFacts, account: &str, audience: &str) -> Step {
    if is_shared(account) {
        let text = "a federated credential is added for a ServiceAccount of the gateway only";
        return Step::missing(Part::Credential, text);
    }
    let part = Part::Credential;
    let issuer = match &facts.issuer {
        Ok(issuer) => issuer.name.clone(),
        Err(why) => return Step::unknown(part, format!("federated credential: {}", why.why())),
    };
    let subject = subject(&facts.cluster.namespace, account);
    let wanted = FederatedCredential {
        name: federated_name(&issuer, &subject),
        issuer,
        subject,
        audiences: vec![audience.to_owned()],
    };
    let text = format!(
        "add a federated credential, which trusts {} of {}",
        wanted.subject,
        cleaned(&wanted.issuer)
    );
    if facts.unread_app().is_some() {
        let text = format!(
            "a federated credential, which trusts {} of {}, is tried by the sign-in",
            wanted.subject,
            cleaned(&wanted.issuer)
        );
        return Step::by_sign_in(part, text).doing(Action::AddFederated(wanted));
    }
    let app = match &facts.app {
        Ok(Some(app)) => app,
        Ok(None) => {
            return Step::create(part, text, Action::AddFederated(wanted))
                .permitted(&facts.rights.register_apps, "register apps in the tenant");
        }
        Err(why) => {
            let action = Action::AddFederated(wanted);
            return of_unread_app(part, &text, why, Some(action));
        }
    };
    match &app.federated {
        Ok(all) => among(all, wanted, text).permitted(&facts.rights.change_app, "change the app"),
        Err(why) => {
            let what = "federated credentials of the app";
            unread_part(part, what, why, Action::AddFederated(wanted))
        }
    }
}

/// How far the federated credentials of an app trust a subject.
pub(super) enum Trust<'a> {
    Full(&'a FederatedCredential),
    /// One for the same tokens, or of the same name.
    Differs(&'a FederatedCredential),
    None,
}

pub(super) fn trust<'a>(all: &'a [FederatedCredential], wanted: &FederatedCredential) -> Trust<'a> {
    let is_same = |it: &&FederatedCredential| it.issuer == wanted.issuer && it.subject == wanted.subject;
    if let Some(found) = all.iter().find(is_same) {
        if found.audiences == wanted.audiences {
            return Trust::Full(found);
        }
        return Trust::Differs(found);
    }
    let of_name = all.iter().find(|it| it.name == wanted.name);
    of_name.map_or(Trust::None, Trust::Differs)
}

/// One property in which a federated credential is not as it should be.
pub(super) struct Difference {
    pub(super) what: &'static str,
    pub(super) found: String,
    pub(super) wanted: String,
}

pub(super) fn differences(found: &FederatedCredential, wanted: &FederatedCredential) -> Vec<Difference> {
    let audiences = |of: &FederatedCredential| of.audiences.join(", ");
    let all = [
        ("issuer", found.issuer.clone(), wanted.issuer.clone()),
        ("subject", found.subject.clone(), wanted.subject.clone()),
        ("audience", audiences(found), audiences(wanted)),
    ];
    all.into_iter()
        .filter(|(_, found, wanted)| found != wanted)
        .map(|(what, found, wanted)| Difference { what, found, wanted })
        .collect()
}

fn among(all: &[FederatedCredential], wanted: FederatedCredential, text: String) -> Step {
    let part = Part::Credential;
    let trust = trust(all, &wanted);
    if let Trust::Full(found) = trust {
        let name = cleaned(&found.name);
        return Step::ok(
            part,
            format!("the federated credential {name} trusts {}", wanted.subject),
        )
        .id("federatedCredential", &name);
    }
    if let Trust::Differs(found) = trust {
        let differences = differences(found, &wanted).into_iter();
        let words: Vec<String> = differences
            .map(|it| {
                let (from, to) = (cleaned(&it.found), cleaned(&it.wanted));
                format!("the {} from {from} to {to}", it.what)
            })
            .collect();
        // What audience they have is not compared here.
        let seen = if found.audiences == wanted.audiences {
            ", as the tokens of the cluster have it"
        } else {
            ""
        };
        let text = format!(
            "change the federated credential {}: {}{seen}",
            cleaned(&found.name),
            words.join(", ")
        );
        let name = found.name.clone();
        let changed = FederatedCredential { name, ..wanted };
        return Step::change(part, text, Action::ChangeFederated(changed));
    }
    if all.len() >= MOST_FEDERATED {
        let text = format!(
            "the app has {} federated credentials, and Entra allows {MOST_FEDERATED} at most",
            all.len()
        );
        return Step::stop(part, text)
            .hint("remove one that is not used, or choose another app with --create-app NAME");
    }
    let almost = all
        .iter()
        .filter(|it| it.subject == wanted.subject && is_same_but_slash(&it.issuer, &wanted.issuer));
    let note = |it: &FederatedCredential| {
        format!(
            "the federated credential {} differs from the cluster's issuer in the last slash, so it trusts nothing; it stays",
            cleaned(&it.name)
        )
    };
    let notes: Vec<String> = almost.map(note).collect();
    Step::create(part, text, Action::AddFederated(wanted)).notes(notes)
}
