//! What the namespace holds for a set-up: the `ServiceAccount`, the Secret and its own
//! uid.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde::Deserialize;

use super::unavailable::{not_needed, of_cluster};
use crate::azure::Certificate;
use crate::cluster::Cluster;
use crate::cluster::list::MetadataOf;
use crate::discover::facts::{is_described, last_write};
use crate::discover::owners::owner;
use crate::model::annotation::{CLIENT_ID, EXPIRES_AT, FIELD_MANAGER, GATEWAY, KEY_ID, KIND};
use crate::model::directory::Fingerprint;
use crate::model::entra::facts::{ServiceAccountFacts, StoredFacts, Unrecorded};
use crate::model::entra::{CLIENT_ID_ANNOTATION, Mode, PEM_KEY, PFX_KEY, SECRET_KEY, TENANT_ID_ANNOTATION};
use crate::model::{Fact, GatewayId, ObjectKind, Unavailable, cleaned};

/// The annotations of a `ServiceAccount` that decide which identity pods get.
const IDENTITY: [&str; 2] = [CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION];

/// The keys of credentials.
const KEYS: [&str; 3] = [SECRET_KEY, PEM_KEY, PFX_KEY];

/// The uid of the namespace, which no namespace of another cluster has.
pub(super) async fn place(cluster: &Cluster) -> Fact<String> {
    let name = &cluster.namespace;
    let cluster = cluster.for_optional_reads();
    let read = cluster
        .get::<MetadataOf>(&format!("/api/v1/namespaces/{name}"))
        .await;
    let uid = of_cluster(read, &format!("reading namespace {name}"))?
        .metadata
        .uid;
    if uid.is_empty() {
        return Err(Unavailable::Unknown(format!("namespace {name} has no uid")));
    }
    Ok(cleaned(&uid))
}

pub(super) async fn service_account(
    cluster: &Cluster,
    name: Option<&str>,
) -> Fact<Option<ServiceAccountFacts>> {
    let read = existing::<ServiceAccount>(cluster, ObjectKind::ServiceAccount, name).await?;
    Ok(read.as_ref().map(account_facts))
}

/// What of a `ServiceAccount` decides which identity pods get.
pub fn account_facts(found: &ServiceAccount) -> ServiceAccountFacts {
    let meta = &found.metadata;
    let ours = IDENTITY.map(|name| {
        let value = meta.annotations.as_ref()?.get(name)?;
        Some((name.to_owned(), cleaned(value)))
    });
    // An entry is all that one manager has written in one way, and has the time of its latest
    // write. That a set-up has written something else since makes a restart more, not less.
    let entries = meta.managed_fields.iter().flatten();
    let entries = entries.filter(|it| it.manager.as_deref() == Some(FIELD_MANAGER) && annotates(it));
    ServiceAccountFacts {
        annotations: ours.into_iter().flatten().collect(),
        written: entries.filter_map(|it| Some(it.time.as_ref()?.0)).max(),
        owner: owner(meta, ("", "ServiceAccount"), &[]).map(|it| it.name),
    }
}

/// Whether a manager has written what decides which identity pods get.
fn annotates(entry: &ManagedFieldsEntry) -> bool {
    let annotations = || {
        entry
            .fields_v1
            .as_ref()?
            .0
            .get("f:metadata")?
            .get("f:annotations")
    };
    annotations().is_some_and(|fields| {
        IDENTITY
            .iter()
            .any(|name| fields.get(format!("f:{name}")).is_some())
    })
}

pub(super) async fn secret(cluster: &Cluster, name: Option<&str>) -> Fact<Option<StoredFacts>> {
    let read = existing::<Secret>(cluster, ObjectKind::Secret, name).await?;
    Ok(read.as_ref().map(stored_facts))
}

async fn existing<T: for<'de> Deserialize<'de>>(
    cluster: &Cluster,
    kind: ObjectKind,
    name: Option<&str>,
) -> Fact<Option<T>> {
    let Some(name) = name else {
        return not_needed();
    };
    let path = format!("{}/{name}", kind.collection(&cluster.namespace));
    match cluster.for_optional_reads().get(&path).await {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.is_not_found() && status.details.is_some() => Ok(None),
        Err(error) => of_cluster(Err(error), &format!("reading {}", kind.reference(name))),
    }
}

/// Our annotations hold while nothing else has written the credential since.
pub fn stored_facts(secret: &Secret) -> StoredFacts {
    let meta = &secret.metadata;
    let has_value = |key: &&&str| value(secret, key).is_some_and(|it| !it.is_empty());
    let keys: Vec<&str> = KEYS.iter().filter(has_value).copied().collect();
    let annotation = |name: &str| meta.annotations.as_ref()?.get(name);
    let kind = annotation(KIND).and_then(|kind| Mode::parse(kind));
    let is_of_kind = |key: &&&str| kind.is_none_or(|kind| kind.keys().contains(key));
    let of_kind = || keys.iter().filter(is_of_kind);
    let holds = of_kind().next().is_some() && of_kind().all(|key| is_described(meta, key));
    let mark = |name: &str| annotation(name).filter(|_| holds);
    StoredFacts {
        credential: mark(KEY_ID).and_then(|id| id.parse().ok()),
        kind: kind.filter(|_| holds),
        client_id: mark(CLIENT_ID).and_then(|id| id.parse().ok()),
        gateway: mark(GATEWAY).and_then(|id| GatewayId::parse(id).ok()),
        expires: mark(EXPIRES_AT).and_then(|at| at.parse().ok()),
        // Not by our annotation, whose time is that of a run before its write.
        written: mark(KEY_ID).and_then(|_| of_kind().filter_map(|key| last_write(meta, key).1).max()),
        created: meta.creation_timestamp.as_ref().map(|time| time.0),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        unrecorded: if mark(KEY_ID).is_some() {
            Vec::new()
        } else {
            unrecorded(secret)
        },
        owner: owner(meta, ("", "Secret"), &keys).map(|it| it.name),
        immutable: secret.immutable.unwrap_or_default(),
    }
}

fn value<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    Some(&secret.data.as_ref()?.get(key)?.0)
}

fn unrecorded(secret: &Secret) -> Vec<Unrecorded> {
    let found = Mode::ALL.into_iter().filter_map(|kind| {
        let written = kind.keys().iter().map(|key| last_write(&secret.metadata, key).1);
        Some(Unrecorded {
            kind,
            fingerprint: fingerprint(secret, kind)?,
            written: written.max()??,
        })
    });
    found.collect()
}

/// Of the credential of a kind; of a certificate only if both forms are the same one.
fn fingerprint(secret: &Secret, kind: Mode) -> Option<Fingerprint> {
    let certificate = |key| {
        let read = Certificate::read(value(secret, key)?, None).ok()?;
        Some(read.fingerprint())
    };
    match kind {
        Mode::AppSecret => Fingerprint::of_secret(std::str::from_utf8(value(secret, SECRET_KEY)?).ok()?),
        Mode::AppCertificate => certificate(PFX_KEY).filter(|it| Some(it) == certificate(PEM_KEY).as_ref()),
        Mode::WorkloadIdentity => None,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::model::annotation::ADOPTED;

    fn written_by(manager: &str) -> StoredFacts {
        marked(manager, "app-secret")
    }

    fn marked(manager: &str, kind: &str) -> StoredFacts {
        let id = Uuid::from_u128(7);
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {
                "name": "gw-entra",
                "annotations": {KIND: kind, KEY_ID: id.to_string(), EXPIRES_AT: "2030-01-01T00:00:00Z"},
                "managedFields": [
                    {"manager": FIELD_MANAGER, "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:azure-ad-app-secret": {}}}},
                    {"manager": manager, "time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:data": {"f:azure-ad-app-secret": {}}}},
                ],
            },
            "data": {SECRET_KEY: "eA==", PEM_KEY: "", "other": "eA=="},
            "immutable": true,
        }))
        .unwrap();
        stored_facts(&secret)
    }

    #[test]
    fn annotations_hold_until_something_else_writes_the_credential() {
        let ours = written_by(FIELD_MANAGER);
        assert_eq!(
            (ours.keys.as_slice(), ours.immutable),
            (&[SECRET_KEY.to_owned()][..], true)
        );
        assert_eq!(ours.credential, Some(Uuid::from_u128(7)));
        assert!(ours.expires.is_some());
        assert_eq!(ours.written, AT.parse().ok());
        let theirs = written_by("kubectl-edit");
        assert_eq!((theirs.credential, theirs.expires), (None, None));
        assert_eq!(theirs.keys, ours.keys);
        // A certificate that is gone has none.
        assert_eq!(marked(FIELD_MANAGER, "app-certificate").credential, None);
        assert!(marked(FIELD_MANAGER, "").credential.is_some());
    }

    /// What somebody else wrote, at this time, and our annotations, if there are some.
    fn theirs(keys: &[(&str, &[u8])], at: &str, annotations: &serde_json::Value) -> StoredFacts {
        let encoded = |value: &[u8]| json!(k8s_openapi::ByteString(value.to_vec()));
        let fields = |key: &str| (format!("f:{key}"), json!({}));
        let data: serde_json::Map<_, _> = keys
            .iter()
            .map(|(key, value)| ((*key).to_owned(), encoded(value)))
            .collect();
        let fields: serde_json::Map<_, _> = keys.iter().map(|(key, _)| fields(key)).collect();
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {
                "annotations": annotations,
                "managedFields": [{"manager": "kubectl", "time": at, "fieldsV1": {"f:data": fields}}],
            },
            "data": data,
        }))
        .unwrap();
        stored_facts(&secret)
    }

    const AT: &str = "2026-01-02T00:00:00Z";

    #[test]
    fn what_somebody_else_wrote_is_known_by_its_fingerprint() {
        let none = json!({});
        let found = theirs(&[(SECRET_KEY, b"abc8Q~rest")], AT, &none);
        let expected = Unrecorded {
            kind: Mode::AppSecret,
            fingerprint: Fingerprint::of_secret("abc").unwrap(),
            written: AT.parse().unwrap(),
        };
        assert_eq!(found.unrecorded, [expected]);
        assert!(!format!("{found:?}").contains("abc"));
        // The Azure CLI ends its output with a line break.
        assert!(
            theirs(&[(SECRET_KEY, b"abc8Q~rest\n")], AT, &none)
                .unrecorded
                .is_empty()
        );

        let made = || {
            let now: jiff::Timestamp = AT.parse().unwrap();
            let end = now + jiff::SignedDuration::from_hours(24);
            crate::azure::MadeCertificate::make("gw", now, end).unwrap()
        };
        let (one, other) = (made(), made());
        let pem = one.pem.expose_secret().as_bytes();
        let found = theirs(&[(PEM_KEY, pem), (PFX_KEY, one.pfx.expose_secret())], AT, &none);
        assert_eq!(found.unrecorded[0].kind, Mode::AppCertificate);
        assert_eq!(found.unrecorded[0].fingerprint, one.certificate.fingerprint());
        let found = theirs(&[(PEM_KEY, pem), (PFX_KEY, other.pfx.expose_secret())], AT, &none);
        assert!(found.unrecorded.is_empty());
    }

    #[test]
    fn what_was_adopted_is_ours_until_it_is_written_again() {
        let id = Uuid::from_u128(7);
        let marks = json!({KIND: "app-secret", KEY_ID: id.to_string(), ADOPTED: AT});
        let found = |at: &str| theirs(&[(SECRET_KEY, b"abc8Q~rest")], at, &marks);
        let adopted = found(AT);
        assert_eq!((adopted.credential, adopted.unrecorded.len()), (Some(id), 0));
        let rewritten = found("2026-01-02T00:00:01Z");
        assert_eq!((rewritten.credential, rewritten.unrecorded.len()), (None, 1));
    }

    #[test]
    fn only_our_own_write_of_the_annotations_has_a_time() {
        let read = |manager: &str, annotation: &str| {
            let fields = json!({"f:metadata": {"f:annotations": {format!("f:{annotation}"): {}}}});
            let account = serde_json::from_value(json!({"metadata": {
                "annotations": {CLIENT_ID_ANNOTATION: "c", "team": "shop"},
                "managedFields": [{"manager": manager, "time": AT, "fieldsV1": fields}],
            }}));
            account_facts(&account.unwrap())
        };
        let ours = read(FIELD_MANAGER, CLIENT_ID_ANNOTATION);
        assert_eq!((ours.annotations.len(), ours.written), (1, AT.parse().ok()));
        assert!(read(FIELD_MANAGER, TENANT_ID_ANNOTATION).written.is_some());
        assert_eq!(read(FIELD_MANAGER, "team").written, None);
        assert_eq!(read("kubectl-annotate", CLIENT_ID_ANNOTATION).written, None);
    }
}
