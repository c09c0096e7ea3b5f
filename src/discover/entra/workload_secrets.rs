//! The Secrets that a workload takes settings from.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;

use super::unavailable::of_cluster;
use crate::cluster::Cluster;
use crate::cluster::pod_spec::PodSpec;
use crate::discover::facts::last_write;
use crate::discover::pod_spec::ImportedSecrets;
use crate::model::annotation::{FIELD_MANAGER, GATEWAY};
use crate::model::expansion::references;
use crate::model::setting::{self, APP_SECRET, AUTH, AUTH_KEY};
use crate::model::{GatewayId, Token, Unavailable, cleaned};

/// How many Secrets of a workload are read.
const MOST: usize = 8;

/// What a set-up needs to know of them; the credentials themselves are not kept.
#[derive(Debug, Default)]
pub(super) struct WorkloadSecrets {
    pub(super) imported: ImportedSecrets,
    /// The gateway that the first token is for.
    pub(super) token_of: Option<String>,
    /// The gateway that a rotation or a set-up recorded, and whether nothing else has
    /// written the credential since.
    pub(super) recorded: Option<(GatewayId, bool)>,
    /// Why those that are imported are not known.
    pub(super) unread: Vec<Unavailable>,
}

/// The Secrets of a pod spec, each with the keys of credentials; those that are
/// imported are marked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    keys: BTreeSet<String>,
    /// Put before its keys.
    prefixes: BTreeSet<String>,
}

fn wanted(spec: &PodSpec) -> BTreeMap<String, Wanted> {
    let mut all: BTreeMap<String, Wanted> = BTreeMap::new();
    for container in &spec.containers {
        for import in &container.env_from {
            if let Some(secret) = &import.secret_ref {
                let found = all.entry(secret.name.clone()).or_default();
                found.prefixes.insert(import.prefix.clone());
            }
        }
        let credentials = [AUTH, AUTH_KEY, APP_SECRET];
        let literals = container.env.iter();
        let literals = literals.filter(|variable| credentials.contains(&variable.name.as_str()));
        let referred: BTreeSet<&str> = literals.flat_map(|it| references(&it.value)).collect();
        for variable in &container.env {
            let from = variable.value_from.as_ref();
            let name = variable.name.as_str();
            if let Some(key) = from.and_then(|from| from.secret_key_ref.as_ref())
                && (credentials.contains(&name) || referred.contains(name))
            {
                let found = all.entry(key.name.clone()).or_default();
                found.keys.insert(key.key.clone());
            }
        }
    }
    all.into_iter().take(MOST).collect()
}

impl WorkloadSecrets {
    /// Reads them side by side.
    pub(super) async fn read(cluster: &Cluster, spec: &PodSpec) -> Self {
        let cluster = &cluster.for_optional_reads();
        let wanted = wanted(spec);
        let reads = wanted
            .iter()
            .map(async |(name, wanted)| (name, wanted, cluster.secret(name).await));
        let mut secrets = Self::default();
        for (name, wanted, read) in join_all(reads).await {
            match of_cluster(read, &format!("reading secret/{name}")) {
                Ok(secret) => secrets.add(name, wanted, &secret),
                Err(why) if !wanted.prefixes.is_empty() => secrets.unread.push(why),
                Err(_) => {}
            }
        }
        secrets
    }

    fn add(&mut self, name: &str, wanted: &Wanted, secret: &Secret) {
        let text = |key: &str| {
            let bytes = secret.data.as_ref()?.get(key)?;
            std::str::from_utf8(&bytes.0).ok()
        };
        let mut credentials = wanted.keys.clone();
        for prefix in &wanted.prefixes {
            for setting in setting::ALL {
                let Some(key) = setting.strip_prefix(prefix.as_str()) else {
                    continue;
                };
                let Some(value) = text(key) else {
                    continue;
                };
                let shown = is_shown(setting, value).then(|| cleaned(value));
                if shown.is_none() {
                    credentials.insert(key.to_owned());
                }
                let imported = self.imported.entry(name.to_owned()).or_default();
                imported.insert(key.to_owned(), shown);
            }
        }
        let annotations = secret.metadata.annotations.as_ref();
        let recorded = annotations.and_then(|all| GatewayId::parse(all.get(GATEWAY)?).ok());
        for key in &credentials {
            if let Some(Ok(token)) = text(key).map(Token::parse) {
                self.token_of
                    .get_or_insert_with(|| token.claims().gateway.clone());
            }
            if let Some(recorded) = &recorded {
                let (last, _) = last_write(&secret.metadata, key);
                let holds = last.as_deref() == Some(FIELD_MANAGER);
                self.recorded.get_or_insert_with(|| (recorded.clone(), holds));
            }
        }
    }
}

/// Whether a setting is not a credential. `config.service.auth` may be either.
pub(super) fn is_shown(setting: &str, value: &str) -> bool {
    match setting {
        AUTH => {
            let words = ["key", "azureAdApp", "workloadIdentity"];
            words.iter().any(|word| word.eq_ignore_ascii_case(value.trim()))
        }
        AUTH_KEY | APP_SECRET => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde_json::json;

    use super::*;

    fn secret(data: &[(&str, &str)]) -> Secret {
        let data: BTreeMap<&str, String> = data
            .iter()
            .map(|(key, value)| (*key, BASE64_STANDARD.encode(value)))
            .collect();
        serde_json::from_value(json!({"metadata": {"name": "s"}, "data": data})).unwrap()
    }

    #[test]
    fn of_an_imported_secret_the_credential_is_not_kept() {
        let spec: PodSpec = serde_json::from_value(json!({"containers": [{
            "name": "gw", "envFrom": [{"secretRef": {"name": "s"}}, {"prefix": "x.", "secretRef": {"name": "t"}}],
            "env": [{"name": "config.service.auth.key", "valueFrom": {"secretKeyRef": {"name": "u", "key": "value"}}},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "w", "key": "value"}}},
                {"name": "config.service.auth", "value": "GatewayKey $(TOKEN)"},
                {"name": "OTHER", "valueFrom": {"secretKeyRef": {"name": "v", "key": "value"}}}],
        }]}))
        .unwrap();
        let wanted = wanted(&spec);
        assert_eq!(wanted.keys().collect::<Vec<_>>(), ["s", "t", "u", "w"]);
        let mut secrets = WorkloadSecrets::default();
        let data = [
            ("config.service.auth", "azureAdApp"),
            (APP_SECRET, "hush"),
            ("gateway.name", "gw"),
            ("other", "hush"),
        ];
        secrets.add("s", &wanted["s"], &secret(&data));
        secrets.add("t", &wanted["t"], &secret(&data));
        let known = &secrets.imported["s"];
        assert_eq!(known["config.service.auth"].as_deref(), Some("azureAdApp"));
        assert_eq!(known["gateway.name"].as_deref(), Some("gw"));
        assert_eq!((known.len(), &known[APP_SECRET]), (3, &None));
        assert!(!secrets.imported.contains_key("t"));
        assert!(!format!("{secrets:?}").contains("hush"));
    }

    #[test]
    fn the_gateway_of_a_token_is_known() {
        let signature = BASE64_STANDARD.encode([7; 64]);
        let token = format!("GatewayKey gw-1&203001010000&{signature}");
        let mut secrets = WorkloadSecrets::default();
        let wanted = Wanted {
            keys: BTreeSet::from(["value".to_owned()]),
            prefixes: BTreeSet::new(),
        };
        secrets.add("s", &wanted, &secret(&[("value", &token)]));
        assert_eq!(secrets.token_of.as_deref(), Some("gw-1"));
        assert!(!format!("{secrets:?}").contains(&signature[..8]));
        assert!(!is_shown(AUTH, &token) && is_shown(AUTH, "workloadidentity "));
    }
}
