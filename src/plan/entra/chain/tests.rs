//! Each part, from what is set up with one change.

use super::*;
use crate::model::InstanceAccess;
use crate::model::access::Permission;
use crate::plan::fixture::{AUDIENCE, ISSUER, entra_gateway, set_up, sign_in};

fn links(auth: Auth, change: impl Fn(&mut EntraInAzure)) -> Vec<Link> {
    let mut facts = entra_gateway(auth);
    let mut azure = set_up(auth);
    change(&mut azure);
    sign_in(&mut facts).azure = Some(Box::new(azure));
    chain(&facts)
}

fn broken(auth: Auth, change: impl Fn(&mut EntraInAzure)) -> Vec<(Part, String)> {
    let broken = links(auth, change)
        .into_iter()
        .filter_map(|link| match link.state {
            LinkState::Broken(why) => Some((link.part, why)),
            _ => None,
        });
    broken.collect()
}

fn access(azure: &mut EntraInAzure) -> &mut InstanceAccess {
    std::sync::Arc::get_mut(azure.access.as_mut().unwrap()).unwrap()
}

fn federated(azure: &mut EntraInAzure) -> &mut FederatedCredential {
    &mut azure.federation.as_mut().unwrap().credentials.as_mut().unwrap()[0]
}

#[test]
fn what_is_set_up_is_ok_for_every_kind() {
    for auth in [Auth::AppSecret, Auth::Certificate, Auth::WorkloadIdentity] {
        let links = links(auth, |_| {});
        assert_eq!(links.len(), 8, "{auth:?}");
        assert!(
            links.iter().all(|link| link.state == LinkState::Ok),
            "{auth:?}: {links:?}"
        );
    }
    assert_eq!(chain(&entra_gateway(Auth::WorkloadIdentity)), []);
}

#[test]
fn a_federated_credential_is_compared_to_the_letter() {
    let said = |change: &dyn Fn(&mut FederatedCredential)| {
        let found = broken(Auth::WorkloadIdentity, |azure| change(federated(azure)));
        let [(part, why)] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(*part, Part::Credential);
        why.clone()
    };
    let slash = said(&|it| it.issuer = ISSUER.trim_end_matches('/').to_owned());
    assert!(slash.contains("they differ in the last slash"), "{slash}");
    // The same under a name of its own.
    let slash = said(&|it| {
        it.issuer = ISSUER.trim_end_matches('/').to_owned();
        it.name = "by hand".to_owned();
    });
    assert!(
        slash.contains("by hand") && slash.contains("the last slash"),
        "{slash}"
    );
    let subject = said(&|it| {
        it.subject = "system:serviceaccount:shop:GW".to_owned();
        it.name = "other".to_owned();
    });
    assert!(
        subject.contains("no federated credential trusts system:serviceaccount:shop:gw"),
        "{subject}"
    );
    // Somebody has changed the one of our name.
    let several = said(&|it| {
        it.subject = "system:serviceaccount:shop:other".to_owned();
        it.audiences = vec!["api://other".to_owned()];
    });
    assert!(
        several.contains(
            "has the subject system:serviceaccount:shop:other, not system:serviceaccount:shop:gw, and the audience \
             api://other, not"
        ),
        "{several}"
    );
    let audience = said(&|it| it.audiences = vec!["api://other".to_owned()]);
    assert!(
        audience.contains("api://other, not") && audience.contains(AUDIENCE),
        "{audience}"
    );
    // In a custom cloud its audience is not known.
    let custom = broken(Auth::WorkloadIdentity, |azure| {
        federated(azure).audiences = vec!["api://other".to_owned()];
        azure.federation.as_mut().unwrap().audience = None;
    });
    assert_eq!(custom, []);
}

#[test]
fn roles_count_by_what_they_grant_and_where() {
    let parts = |change: &dyn Fn(&mut InstanceAccess)| -> Vec<Part> {
        let found = broken(Auth::WorkloadIdentity, |azure| change(access(azure)));
        found.into_iter().map(|(part, _)| part).collect()
    };
    // A role with more rights grants these too.
    let broad = |it: &mut InstanceAccess| {
        it.definitions.as_mut().unwrap()[0].permissions = vec![Permission {
            actions: vec!["*/read".to_owned()],
            ..Permission::default()
        }];
    };
    assert_eq!(parts(&broad), []);
    // What az makes of the document's JSON.
    let empty = |it: &mut InstanceAccess| {
        it.definitions.as_mut().unwrap()[1].permissions = vec![Permission::default()];
    };
    assert_eq!(parts(&empty), [Part::ReaderRole]);
    let excluding = |it: &mut InstanceAccess| {
        let permission = &mut it.definitions.as_mut().unwrap()[0].permissions[0];
        permission.not_actions = vec!["Microsoft.Authorization/roleAssignments/*".to_owned()];
    };
    assert_eq!(parts(&excluding), [Part::ValidatorRole]);
    let gone = |it: &mut InstanceAccess| it.definitions.as_mut().unwrap().clear();
    assert_eq!(parts(&gone), [Part::ValidatorRole, Part::ReaderRole]);
    // The validator needs the resource group, the reader the instance.
    let below = |it: &mut InstanceAccess| {
        let service = it.service.path();
        it.assignments.as_mut().unwrap()[0].scope = service;
    };
    assert_eq!(parts(&below), [Part::ValidatorAssignment]);
    let gateway = |it: &mut InstanceAccess| it.assignments.as_mut().unwrap()[1].scope += "/gateways/gw";
    assert_eq!(parts(&gateway), [Part::ReaderAssignment]);
    let inherited = |it: &mut InstanceAccess| {
        let all = it.assignments.as_mut().unwrap();
        for it in all {
            it.scope = "/SUBSCRIPTIONS/s/".to_owned();
        }
    };
    assert_eq!(parts(&inherited), []);
    // An assignment to the app instead of its service principal grants nothing.
    let to_app =
        |it: &mut InstanceAccess| it.assignments.as_mut().unwrap()[1].principal = Uuid::from_u128(40);
    assert_eq!(parts(&to_app), [Part::ReaderAssignment]);
    // The identity was switched off and on.
    let new_identity = |it: &mut InstanceAccess| it.identity.principal = Some(Uuid::from_u128(66));
    assert_eq!(parts(&new_identity), [Part::ValidatorAssignment]);
    let no_identity = |it: &mut InstanceAccess| it.identity.principal = None;
    assert_eq!(parts(&no_identity), [Part::Identity, Part::ValidatorAssignment]);
}

/// A role that was made for gateways is named if it has got more; the role of somebody
/// else is not.
#[test]
fn a_role_that_has_got_more_works_and_is_named() {
    let wide = |name: &str| -> Vec<(Part, String)> {
        let found = links(Auth::WorkloadIdentity, |azure| {
            let role = &mut access(azure).definitions.as_mut().unwrap()[1];
            name.clone_into(&mut role.name);
            role.permissions[0].actions = vec!["Microsoft.Authorization/roleAssignments/write".to_owned()];
        });
        let said = found.into_iter().filter_map(|link| match link.state {
            LinkState::Ok => None,
            LinkState::Wide(why) => Some((link.part, why)),
            other => panic!("{other:?}"),
        });
        said.collect()
    };
    let [(part, why)] = &wide("API Management Gateway Configuration Reader Role")[..] else {
        panic!();
    };
    assert_eq!(*part, Part::ReaderRole);
    assert!(why.contains("grants more than a gateway needs"), "{why}");
    assert_eq!(wide("Contributor"), []);
}

#[test]
fn a_managed_identity_has_no_registration() {
    let found = broken(Auth::WorkloadIdentity, |azure| azure.application = Ok(None));
    assert_eq!(found, []);
    let deleted = broken(Auth::AppSecret, |azure| {
        azure.application = Ok(None);
        azure.service_principal = Ok(None);
    });
    let parts: Vec<Part> = deleted.iter().map(|(part, _)| *part).collect();
    assert_eq!(parts, [Part::App, Part::ServicePrincipal, Part::ReaderAssignment]);
}

#[test]
fn every_part_is_there_if_it_is_unknown_too() {
    let unknown = || Unavailable::Unknown("not a GUID".to_owned());
    let of = |change: &dyn Fn(&mut EntraInAzure), is_id_known: bool| {
        let mut facts = entra_gateway(Auth::WorkloadIdentity);
        let sign_in = sign_in(&mut facts);
        let mut azure = set_up(Auth::WorkloadIdentity);
        change(&mut azure);
        sign_in.azure = Some(Box::new(azure));
        if !is_id_known {
            sign_in.client_id = Err(unknown());
        }
        let links = chain(&facts);
        assert_eq!(links.len(), 8, "{links:?}");
        let unread = links
            .into_iter()
            .filter(|link| link.state == LinkState::Unknown(unknown()));
        unread.map(|link| link.part).collect::<Vec<Part>>()
    };
    let no_app = |azure: &mut EntraInAzure| {
        azure.application = Err(unknown());
        azure.service_principal = Err(unknown());
    };
    let of_app = [
        Part::App,
        Part::ServicePrincipal,
        Part::Credential,
        Part::ReaderAssignment,
    ];
    assert_eq!(of(&no_app, false), of_app);
    let no_instance = |azure: &mut EntraInAzure| azure.access = Err(unknown());
    assert_eq!(of(&no_instance, true), ACCESS);
    let nothing = |azure: &mut EntraInAzure| {
        no_app(azure);
        no_instance(azure);
    };
    assert_eq!(of(&nothing, false).len(), 8);
}
