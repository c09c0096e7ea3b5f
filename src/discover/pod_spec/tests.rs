//! Pod specs as people publish them.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::containers::is_gateway_image;
use super::credential::EnvFromSecret;
use super::*;
use crate::cluster::pod_spec::PodSpec;
use crate::model::setting::{APP_CERTIFICATE, APP_SECRET, AUTH, AUTH_KEY, ENDPOINT, GATEWAY_NAME};

fn spec(container: &Json) -> PodSpec {
    serde_json::from_value(json!({"containers": [container]})).unwrap()
}

fn maps(entries: &[(&str, &[(&str, &str)])]) -> ConfigMaps {
    let data = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    entries
        .iter()
        .map(|(name, pairs)| ((*name).to_owned(), data(pairs)))
        .collect()
}

fn only(container: &Json, config_maps: &ConfigMaps) -> GatewayContainer {
    let mut found = gateway_containers(&spec(container), config_maps);
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn secret_key(secret: &str, key: &str) -> CredentialSource {
    CredentialSource::SecretKey {
        secret: secret.to_owned(),
        key: key.to_owned(),
    }
}

#[test]
fn the_portal_layout() {
    let container = json!({"name": "gw", "image": "mcr.microsoft.com/azure-api-management/gateway:v2",
        "env": [{"name": AUTH, "valueFrom": {"secretKeyRef": {"name": "gw-token", "key": "value"}}}],
        "envFrom": [{"configMapRef": {"name": "gw-env"}}]});
    assert_eq!(
        config_maps_named(&spec(&container)),
        BTreeSet::from(["gw-env".to_owned()])
    );
    let found = only(
        &container,
        &maps(&[("gw-env", &[(ENDPOINT, "svc.configuration.azure-api.net")])]),
    );
    assert_eq!(found.credential, secret_key("gw-token", "value"));
    assert_eq!(found.endpoint.as_deref(), Some("svc.configuration.azure-api.net"));
}

#[test]
fn the_docs_layout_imports_the_secret_whole() {
    let container = json!({"name": "gw", "image": "mirror.local:5000/x:1",
        "envFrom": [{"configMapRef": {"name": "env"}}, {"secretRef": {"name": "apim-access-token"}}]});
    let found = only(&container, &maps(&[("env", &[(AUTH, "key"), (ENDPOINT, "e")])]));
    let CredentialSource::EnvFrom(imported) = &found.credential else {
        panic!("{found:?}")
    };
    assert_eq!(imported[0].name, "apim-access-token");
    assert_eq!(
        imported[0].credential_keys().collect::<Vec<_>>(),
        [AUTH_KEY, AUTH]
    );
}

#[test]
fn a_prefix_of_env_from_is_part_of_the_variable_name() {
    let import = EnvFromSecret {
        name: "s".to_owned(),
        prefix: "config.service.".to_owned(),
        optional: false,
    };
    assert_eq!(import.credential_keys().collect::<Vec<_>>(), ["auth.key", "auth"]);
}

#[test]
fn the_mode_word_key_points_to_the_key_setting() {
    let container = json!({"name": "gw", "image": "x", "env": [
        {"name": AUTH, "value": "key"},
        {"name": AUTH_KEY, "valueFrom": {"secretKeyRef": {"name": "s", "key": "odd-key"}}}]});
    assert_eq!(
        only(&container, &maps(&[])).credential,
        secret_key("s", "odd-key")
    );
}

#[test]
fn entra_modes_and_tokens_in_clear_are_recognised() {
    for (mode, setting, credential) in [
        ("azureAdApp", APP_SECRET, EntraCredential::Secret),
        ("azureAdApp", APP_CERTIFICATE, EntraCredential::Certificate),
        ("azureAdApp", GATEWAY_NAME, EntraCredential::Unknown),
        ("workloadIdentity", GATEWAY_NAME, EntraCredential::Federated),
    ] {
        let container = json!({"name": "gw", "image": "x",
            "env": [{"name": AUTH, "value": mode}, {"name": setting, "value": "v"}]});
        let expected = CredentialSource::Entra {
            mode: mode.to_owned(),
            credential,
        };
        assert_eq!(only(&container, &maps(&[])).credential, expected);
    }
    let literal = json!({"name": "gw", "image": "x",
        "env": [{"name": AUTH, "value": "GatewayKey gw&203001010000&c2ln"}]});
    let CredentialSource::Inline { claims, .. } = only(&literal, &maps(&[])).credential else {
        panic!()
    };
    assert_eq!(claims.gateway, "gw");
}

#[test]
fn env_wins_over_env_from_and_the_later_import_over_the_earlier() {
    let container = json!({"name": "gw", "image": "x",
        "env": [{"name": AUTH, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "envFrom": [{"configMapRef": {"name": "a"}}, {"configMapRef": {"name": "b"}}]});
    let found = only(
        &container,
        &maps(&[
            ("a", &[(ENDPOINT, "old"), (AUTH, "key")]),
            ("b", &[(ENDPOINT, "new")]),
        ]),
    );
    assert_eq!(found.endpoint.as_deref(), Some("new"));
    assert_eq!(found.credential, secret_key("s", "k"));
}

#[test]
fn sidecars_are_no_gateways() {
    let container = json!({"name": "daprd", "image": "daprio/daprd:1", "env": [{"name": "A", "value": "b"}]});
    assert!(gateway_containers(&spec(&container), &maps(&[])).is_empty());
}

#[test]
fn images_are_recognised_in_any_registry() {
    for image in [
        "mcr.microsoft.com/azure-api-management/gateway:v2",
        "registry:5000/mirror/azure-api-management/gateway",
        "r/azure-api-management/gateway:2.1@sha256:abc",
    ] {
        assert!(is_gateway_image(image), "{image}");
    }
    for image in [
        "nginx",
        "azure-api-management/gateway-helper:1",
        "registry:5000/x",
    ] {
        assert!(!is_gateway_image(image), "{image}");
    }
}

#[test]
fn every_way_to_use_a_secret_counts() {
    let volume: PodSpec = serde_json::from_value(json!({"containers": [],
        "volumes": [{"name": "v", "secret": {"secretName": "s"}}]}))
    .unwrap();
    let projected: PodSpec = serde_json::from_value(json!({"containers": [],
        "volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]}))
    .unwrap();
    let imported = spec(&json!({"name": "c", "envFrom": [{"secretRef": {"name": "s"}}]}));
    for spec in [&volume, &projected, &imported] {
        assert_eq!(secrets_used(spec), BTreeSet::from(["s".to_owned()]));
    }
}
