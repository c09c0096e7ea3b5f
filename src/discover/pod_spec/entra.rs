//! What the settings of a gateway show of its sign-in by Entra.

use std::path::{Path, PathBuf};

use super::credential::EnvFromSecret;
use super::variables::{ConfigMaps, ContainerVariables, Value, may_import, own_variables};
use crate::cluster::pod_spec::{Container, Item, PodSpec, VolumeMount};
use crate::model::entra::{OwnVariables, PEM_KEY};
use crate::model::setting::{
    APP_AUTHORITY, APP_CERTIFICATE, APP_CLIENT, APP_SECRET, APP_TENANT, AUTH, BY_APP, GATEWAY_NAME,
    TOKEN_AUDIENCE,
};

/// A Secret, and the keys of it that may hold something, the likeliest first.
pub type SecretKeys = (String, Vec<String>);

/// The app of a gateway and where its credential is, by its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntraSettings {
    pub client_id: ClientId,
    /// Where the credential may be; none for a workload identity.
    pub credential: Vec<SecretKeys>,
    /// What has the client secret in clear.
    pub in_clear: Option<String>,
    /// The `ServiceAccount` of the pods.
    pub service_account: String,
    /// What the container sets of a workload identity.
    pub own_variables: OwnVariables,
    /// Whether it may get the path of a token in another way than from the webhook.
    pub may_bring_token: bool,
    /// The first setting that is certainly not set and has to be: for an app, its credential,
    /// its ids and `config.service.auth` too.
    pub lacking: Option<&'static str>,
    /// The tenant of the app.
    pub tenant: Option<String>,
    pub authority: Option<String>,
    pub token_audience: Option<String>,
    /// The path of the certificate, and whether something may be mounted there.
    pub certificate: Option<(String, bool)>,
    /// Whether there is a client secret beside the certificate.
    pub has_two_credentials: bool,
}

/// Where the client id of a gateway is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientId {
    Text(String),
    /// In this Secret.
    Secret(String),
    /// In an annotation of the `ServiceAccount`, or nowhere.
    #[default]
    Missing,
}

impl EntraSettings {
    pub(super) fn of(
        spec: &PodSpec,
        container: &Container,
        variables: &ContainerVariables,
        config_maps: &ConfigMaps,
    ) -> Self {
        let account = spec.service_account_name.as_str();
        let mut settings = Self {
            service_account: if account.is_empty() { "default" } else { account }.to_owned(),
            own_variables: OwnVariables::new(own_variables(container, variables)),
            lacking: lacking(container, variables, config_maps),
            tenant: variables.text(APP_TENANT),
            authority: variables.text(APP_AUTHORITY),
            token_audience: variables.text(TOKEN_AUDIENCE),
            certificate: variables.text(APP_CERTIFICATE).map(|path| {
                let may_be_there = may_be_mounted(spec, container, &path);
                (path, may_be_there)
            }),
            has_two_credentials: variables.get(APP_CERTIFICATE).is_some()
                && variables.get(APP_SECRET).is_some(),
            may_bring_token: container.env.iter().any(|it| it.name == OwnVariables::TOKEN_FILE)
                || may_import(container, config_maps, OwnVariables::TOKEN_FILE),
            ..Self::default()
        };
        settings.client_id = match variables.get(APP_CLIENT) {
            Some(Value::Text { text, .. }) => ClientId::Text(text.trim().to_owned()),
            Some(Value::Secret { name, .. }) => ClientId::Secret(name.clone()),
            Some(Value::Unreadable) => ClientId::Missing,
            None => {
                let secret = imported(container, APP_CLIENT).into_iter().next();
                secret.map_or(ClientId::Missing, |(name, _)| ClientId::Secret(name))
            }
        };
        settings.credential = match (variables.get(APP_CERTIFICATE), variables.get(APP_SECRET)) {
            (Some(Value::Text { text, .. }), _) => mounted(spec, container, text.trim()),
            (None, Some(Value::Secret { name, key })) => vec![(name.clone(), vec![key.clone()])],
            (None, Some(Value::Text { place, .. })) => {
                settings.in_clear = Some(place.clone());
                Vec::new()
            }
            (Some(_), _) | (None, Some(Value::Unreadable)) => Vec::new(),
            (None, None) => imported(container, APP_SECRET),
        };
        settings
    }
}

fn lacking(
    container: &Container,
    variables: &ContainerVariables,
    config_maps: &ConfigMaps,
) -> Option<&'static str> {
    if variables.only_lacks_auth(container, config_maps) {
        return Some(AUTH);
    }
    let is_unset = |name: &str| match variables.get(name) {
        Some(Value::Text { text, .. }) => text.trim().is_empty(),
        Some(_) => false,
        None => !may_import(container, config_maps, name),
    };
    let is_app = variables
        .text(AUTH)
        .is_some_and(|mode| mode.eq_ignore_ascii_case(BY_APP));
    let of_app: &[&str] = if is_app { &[APP_TENANT, APP_CLIENT] } else { &[] };
    let unset = std::iter::once(&GATEWAY_NAME)
        .chain(of_app)
        .find(|name| is_unset(name));
    let has_credential = !is_app || [APP_SECRET, APP_CERTIFICATE].iter().any(|name| !is_unset(name));
    unset.copied().or((!has_credential).then_some(APP_SECRET))
}

/// The Secrets that are imported whole and may hold a setting.
fn imported(container: &Container, setting: &str) -> Vec<SecretKeys> {
    let imports = container.env_from.iter().filter_map(EnvFromSecret::of);
    let holding = imports.filter_map(|import| {
        let key = setting.strip_prefix(&import.prefix)?.to_owned();
        Some((import.name, vec![key]))
    });
    // The last of one name wins, as for the kubelet.
    let mut found: Vec<SecretKeys> = holding.collect();
    found.reverse();
    found.truncate(MOST);
    found
}

/// How many Secrets are searched for one setting.
const MOST: usize = 4;

/// The mount that a container has at a path, and the file of its volume.
fn mount_at<'c>(container: &'c Container, path: &str) -> Option<(&'c VolumeMount, String)> {
    // As the kernel reads it, without `//` and `/./`.
    let path: PathBuf = Path::new(path).components().collect();
    let path = path.to_string_lossy();
    let below = |mount: &VolumeMount| -> Option<String> {
        let rest = path.strip_prefix(mount.mount_path.trim_end_matches('/'))?;
        match (rest.strip_prefix('/'), mount.sub_path.as_str()) {
            (None, sub_path) if rest.is_empty() => Some(sub_path.to_owned()),
            (Some(file), "") => Some(file.to_owned()),
            (Some(file), folder) => Some(format!("{folder}/{file}")),
            _ => None,
        }
    };
    let mounts = container.volume_mounts.iter();
    let fitting = mounts.filter_map(|mount| Some((mount, below(mount)?)));
    fitting.max_by_key(|(mount, _)| mount.mount_path.len())
}

/// The key of a Secret that is a file of its volume; `None` if certainly none is.
fn key_of<'v>(items: &'v [Item], file: &'v str) -> Option<&'v str> {
    if items.is_empty() {
        return Some(file);
    }
    let item = items.iter().find(|item| item.path == file)?;
    Some(item.key.as_str())
}

/// Whether something may be at a path. What volumes of other kinds hold is not known.
fn may_be_mounted(spec: &PodSpec, container: &Container, path: &str) -> bool {
    mount_at(container, path).is_some_and(|(mount, file)| {
        let mut volumes = spec.volumes.iter().filter(|volume| volume.name == mount.name);
        let secret = volumes.find_map(|volume| volume.secret.as_ref());
        secret.is_none_or(|secret| key_of(&secret.items, &file).is_some())
    })
}

/// The Secrets whose content a container has at a path. Beside the file that the
/// gateway reads, its certificate may be there as PEM.
fn mounted(spec: &PodSpec, container: &Container, path: &str) -> Vec<SecretKeys> {
    let Some((mount, file)) = mount_at(container, path).filter(|(_, file)| !file.is_empty()) else {
        return Vec::new();
    };
    let volumes = spec.volumes.iter().filter(|volume| volume.name == mount.name);
    let secrets = volumes.flat_map(|volume| {
        let projected = volume.projected.iter().flat_map(|projected| &projected.sources);
        let projected = projected.filter_map(|source| source.secret.as_ref());
        let projected = projected.map(|secret| (&secret.name, &secret.items));
        let secret = volume.secret.iter().map(|it| (&it.secret_name, &it.items));
        secret.chain(projected)
    });
    let keys = |items| -> Vec<String> {
        let exact = key_of(items, &file);
        let beside = [PEM_KEY, "tls.crt"].into_iter().filter(|key| Some(*key) != exact);
        exact.into_iter().chain(beside).map(str::to_owned).collect()
    };
    secrets
        .take(MOST)
        .map(|(name, items)| (name.clone(), keys(items)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::discover::pod_spec::gateway_containers;

    fn settings(mut container: Json, volumes: &Json) -> EntraSettings {
        container["image"] = "r/azure-api-management/gateway:2".into();
        let spec = json!({"containers": [container], "volumes": volumes, "serviceAccountName": "gw"});
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        let maps = json!({"settings": {APP_CLIENT: " of the map "}});
        let maps: ConfigMaps = serde_json::from_value(maps).unwrap();
        gateway_containers(&spec, &maps).remove(0).entra
    }

    fn from_secret(name: &str, key: &str) -> Json {
        json!({"secretKeyRef": {"name": name, "key": key}})
    }

    fn keys(secret: &str, keys: &[&str]) -> SecretKeys {
        (
            secret.to_owned(),
            keys.iter().map(|key| (*key).to_owned()).collect(),
        )
    }

    #[test]
    fn the_client_id_is_found_wherever_settings_are() {
        let env = |env: Json| settings(json!({"env": [env]}), &json!([])).client_id;
        let text = |text: &str| ClientId::Text(text.to_owned());
        assert_eq!(env(json!({"name": APP_CLIENT, "value": " id\n"})), text("id"));
        let of_map = json!({"configMapKeyRef": {"name": "settings", "key": APP_CLIENT}});
        assert_eq!(
            env(json!({"name": APP_CLIENT, "valueFrom": of_map})),
            text("of the map")
        );
        let of_secret = json!({"name": APP_CLIENT, "valueFrom": from_secret("s", "id")});
        assert_eq!(env(of_secret), ClientId::Secret("s".to_owned()));
        assert_eq!(env(json!({"name": "A", "value": "x"})), ClientId::Missing);
        let of_import = settings(json!({"envFrom": [{"secretRef": {"name": "s"}}]}), &json!([]));
        assert_eq!(of_import.client_id, ClientId::Secret("s".to_owned()));
        let of_map = settings(
            json!({"envFrom": [{"configMapRef": {"name": "settings"}}]}),
            &json!([]),
        );
        assert_eq!(of_map.client_id, text("of the map"));
        assert_eq!(of_map.service_account, "gw");
    }

    #[test]
    fn variables_of_a_workload_identity_count_only_in_env() {
        let container = json!({
            "env": [
                {"name": "AZURE_CLIENT_ID", "value": "first"},
                {"name": "AZURE_CLIENT_ID", "value": "last "},
                {"name": "AZURE_TENANT_ID", "valueFrom": from_secret("s", "k")},
                {"name": "AZURE_AUTHORITY_HOST", "value": "$(HOST)"},
            ],
            "envFrom": [{"configMapRef": {"name": "token"}}],
        });
        let maps = json!({"token": {"AZURE_FEDERATED_TOKEN_FILE": "/beaten"}});
        let container: Container = serde_json::from_value(container).unwrap();
        let maps: ConfigMaps = serde_json::from_value(maps).unwrap();
        let variables = ContainerVariables::of(&container, &maps, &BTreeMap::new());
        let found = OwnVariables::new(own_variables(&container, &variables));
        assert_eq!(found.value("AZURE_CLIENT_ID"), Some("last"));
        assert!(found.sets("AZURE_TENANT_ID") && found.value("AZURE_TENANT_ID").is_none());
        assert!(found.sets("AZURE_AUTHORITY_HOST") && found.value("AZURE_AUTHORITY_HOST").is_none());
        assert!(!found.sets("AZURE_FEDERATED_TOKEN_FILE"));
    }

    #[test]
    fn the_first_setting_that_an_app_lacks_is_named() {
        let all = [
            (AUTH, "azureAdApp"),
            (GATEWAY_NAME, "gw"),
            (APP_TENANT, "t"),
            (APP_CLIENT, "c"),
            (APP_SECRET, "s"),
        ];
        let lacking = |without: &str, empty: &str, more: Json| {
            let set = all.iter().filter(|(name, _)| *name != without);
            let set = set.map(|(name, value)| {
                let value = if *name == empty { " " } else { value };
                json!({"name": name, "value": value})
            });
            let mut container = json!({"env": set.collect::<Vec<_>>()});
            container["envFrom"] = more;
            settings(container, &json!([])).lacking
        };
        assert_eq!(lacking("", "", json!([])), None);
        for (name, _) in all {
            assert_eq!(lacking(name, "", json!([])), Some(name));
            let unread = json!([{"secretRef": {"name": "s"}}]);
            assert_eq!(lacking(name, "", unread), None, "{name}");
        }
        assert_eq!(lacking("", APP_CLIENT, json!([])), Some(APP_CLIENT));
        let identity = json!({"env": [{"name": AUTH, "value": "workloadIdentity"}, {"name": GATEWAY_NAME, "value": "gw"}]});
        assert_eq!(settings(identity, &json!([])).lacking, None);
    }

    #[test]
    fn a_client_secret_is_found_in_a_secret_and_seen_in_clear() {
        let env = |env: Json| settings(json!({"env": [env]}), &json!([]));
        let found = env(json!({"name": APP_SECRET, "valueFrom": from_secret("s", "k")}));
        assert_eq!(found.credential, [keys("s", &["k"])]);
        let clear = env(json!({"name": APP_SECRET, "value": "hush"}));
        assert!(clear.credential.is_empty());
        assert!(!format!("{clear:?}").contains("hush") && clear.in_clear.is_some());
        let imports = json!([{"secretRef": {"name": "a"}}, {"secretRef": {"name": "b"}}, {"prefix": "x", "secretRef": {"name": "c"}}]);
        let imported = settings(json!({"envFrom": imports}), &json!([]));
        assert_eq!(
            imported.credential,
            [keys("b", &[APP_SECRET]), keys("a", &[APP_SECRET])]
        );
    }

    #[test]
    fn a_certificate_is_found_through_its_mount() {
        let found = |path: &str, mounts: Json, volumes: Json| {
            let env = json!([{"name": APP_CERTIFICATE, "value": path}]);
            settings(json!({"env": env, "volumeMounts": mounts}), &volumes).credential
        };
        let volumes = json!([{"name": "v", "secret": {"secretName": "s"}}, {"name": "other", "secret": {"secretName": "o"}}]);
        let at =
            |path: &str| json!([{"name": "v", "mountPath": path}, {"name": "other", "mountPath": "/etc"}]);
        let both = [keys("s", &["gw.pfx", PEM_KEY, "tls.crt"])];
        assert_eq!(found("/etc/apim/gw.pfx", at("/etc/apim/"), volumes.clone()), both);
        let only = json!([{"name": "v", "mountPath": "/gw.pfx", "subPath": "a.pfx"}]);
        assert_eq!(
            found("/gw.pfx", only, volumes.clone()),
            [keys("s", &["a.pfx", PEM_KEY, "tls.crt"])]
        );
        let projected = json!([{"name": "v", "projected": {"sources": [{"secret": {"name": "p"}}]}}]);
        assert_eq!(found("/c/gw.pfx", at("/c"), projected)[0].0, "p");
        // As the kernel reads the path.
        assert_eq!(
            found("/etc/apim//./gw.pfx", at("/etc/apim"), volumes.clone()),
            both
        );
        let folder = json!([{"name": "v", "mountPath": "/c", "subPath": "keys"}]);
        assert_eq!(found("/c/gw.pfx", folder, volumes)[0].1[0], "keys/gw.pfx");
        let items = json!([{"key": "certificate.pfx", "path": "my/gw.pfx"}]);
        let renamed = json!([{"name": "v", "secret": {"secretName": "s", "items": items}}]);
        assert_eq!(
            found("/c/my/gw.pfx", at("/c"), renamed.clone())[0].1[0],
            "certificate.pfx"
        );
        let may_be_there = |path: &str| {
            let env = json!([{"name": APP_CERTIFICATE, "value": path}]);
            let container = json!({"env": env, "volumeMounts": at("/c")});
            settings(container, &renamed).certificate.unwrap().1
        };
        assert!(may_be_there("/c/my/gw.pfx") && !may_be_there("/c/certificate.pfx"));
        for (path, mount) in [
            ("/etcetera/gw.pfx", "/c"),
            ("", "/c"),
            ("/c", "/c"),
            ("/c/", "/c"),
        ] {
            assert!(found(path, at(mount), json!([])).is_empty(), "{path}");
        }
    }
}
