//! What the namespace holds for a set-up: the `ServiceAccount`, the Secret and its own
//! uid.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use serde::Deserialize;

use super::unavailable::{not_needed, of_cluster};
use crate::cluster::Cluster;
use crate::cluster::list::MetadataOf;
use crate::discover::facts::{last_write, owner};
use crate::model::annotation::{CLIENT_ID, EXPIRES_AT, FIELD_MANAGER, KEY_ID, KIND, ROTATED_AT};
use crate::model::entra::facts::{ServiceAccountFacts, StoredFacts};
use crate::model::entra::{CLIENT_ID_ANNOTATION, PEM_KEY, PFX_KEY, SECRET_KEY, TENANT_ID_ANNOTATION};
use crate::model::{Fact, ObjectKind, Unavailable, cleaned};

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
    Ok(read.map(|found| {
        let annotations = found.metadata.annotations.clone().unwrap_or_default();
        let ours = [CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION].map(|name| {
            let value = annotations.get(name)?;
            Some((name.to_owned(), cleaned(value)))
        });
        ServiceAccountFacts {
            annotations: ours.into_iter().flatten().collect(),
            owner: owner(&found.metadata).map(|owner| cleaned(&owner)),
        }
    }))
}

pub(super) async fn secret(cluster: &Cluster, name: Option<&str>) -> Fact<Option<StoredFacts>> {
    let read = existing::<Secret>(cluster, ObjectKind::Secret, name).await?;
    Ok(read.as_ref().map(stored))
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
fn stored(secret: &Secret) -> StoredFacts {
    let meta = &secret.metadata;
    let data = secret.data.as_ref();
    let has_value = |key: &&&str| {
        data.and_then(|data| data.get(**key))
            .is_some_and(|it| !it.0.is_empty())
    };
    let keys: Vec<&str> = KEYS.iter().filter(has_value).copied().collect();
    let annotation = |name: &str| meta.annotations.as_ref()?.get(name);
    let is_of_kind = |key: &&&str| match annotation(KIND).map(String::as_str) {
        Some("app-secret") => **key == SECRET_KEY,
        Some("app-certificate") => **key != SECRET_KEY,
        _ => true,
    };
    let is_ours = |key: &&str| last_write(meta, key).0.as_deref() == Some(FIELD_MANAGER);
    let mut of_kind = keys.iter().filter(is_of_kind).peekable();
    let holds = of_kind.peek().is_some() && of_kind.all(is_ours);
    let mark = |name: &str| annotation(name).filter(|_| holds);
    StoredFacts {
        credential: mark(KEY_ID).and_then(|id| id.parse().ok()),
        client_id: mark(CLIENT_ID).and_then(|id| id.parse().ok()),
        expires: mark(EXPIRES_AT).and_then(|at| at.parse().ok()),
        written: mark(ROTATED_AT).and_then(|at| at.parse().ok()),
        keys: keys.into_iter().map(str::to_owned).collect(),
        owner: owner(meta).map(|owner| cleaned(&owner)),
        immutable: secret.immutable.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

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
        stored(&secret)
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
        let theirs = written_by("kubectl-edit");
        assert_eq!((theirs.credential, theirs.expires), (None, None));
        assert_eq!(theirs.keys, ours.keys);
        // A certificate that is gone has none.
        assert_eq!(marked(FIELD_MANAGER, "app-certificate").credential, None);
        assert!(marked(FIELD_MANAGER, "").credential.is_some());
    }
}
