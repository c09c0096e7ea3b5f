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
    for (import, is_certain) in [
        (json!([]), true),
        (json!([{"configMapRef": {"name": "settings"}}]), true),
        (json!([{"configMapRef": {"name": "unread"}}]), false),
        (json!([{"secretRef": {"name": "s"}}]), false),
    ] {
        let container = json!({"name": "gw", "image": "x", "envFrom": import,
            "env": [{"name": APP_SECRET, "value": "v"}]});
        let found = only(&container, &maps(&[("settings", &[(GATEWAY_NAME, "gw")])]));
        assert_eq!(found.entra.lacking == Some(AUTH), is_certain, "{import}");
        let is_entra = matches!(
            found.credential,
            CredentialSource::Entra {
                credential: EntraCredential::Secret,
                ..
            }
        );
        assert_eq!(is_entra, is_certain, "{import}");
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

/// The gateway of a container that runs its image with these variables.
fn with_env(env: &Json, imports: &Json, config_maps: &ConfigMaps) -> GatewayContainer {
    let container = json!({
        "name": "gw", "image": "r/azure-api-management/gateway:2", "env": env, "envFrom": imports,
    });
    only(&container, config_maps)
}

fn literal(name: &str, value: &str) -> Json {
    json!({"name": name, "value": value})
}

#[test]
fn variables_in_values_are_expanded_as_by_the_kubelet() {
    let of_map = json!({"name": "OF_MAP", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "org"}}});
    let of_secret = json!({"name": "HUSH", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let of_field = json!({"name": "FIELD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}});
    let imports = json!([{"prefix": "PRE_", "configMapRef": {"name": "m"}}]);
    let known = maps(&[("m", &[("org", "contoso"), ("raw", "$(ORG)")])]);
    let first = [
        literal("ORG", "contoso"),
        of_map,
        of_secret,
        of_field,
        literal("TWICE", "$(ORG)"),
    ];
    let endpoint = |value: &str, maps: &ConfigMaps| {
        let mut env = first.to_vec();
        env.extend([
            literal(ENDPOINT, value),
            literal(GATEWAY_NAME, value),
            literal("LATER", "x"),
        ]);
        let found = with_env(&env.into(), &imports, maps);
        assert_eq!(found.endpoint, found.gateway_name);
        assert_eq!(found.endpoint.is_none(), found.hidden == [ENDPOINT, GATEWAY_NAME]);
        found.endpoint
    };
    for (value, expected) in [
        (
            "https://$(ORG)-apim.azure-api.net",
            Some("https://contoso-apim.azure-api.net"),
        ),
        ("$(OF_MAP)", Some("contoso")),
        ("$(PRE_org)/$(TWICE)", Some("contoso/contoso")),
        ("$(PRE_raw)", Some("$(ORG)")),
        ("x$$y$$(ORG)", Some("x$y$(ORG)")),
        ("$(HUSH)-apim", None),
        ("$(FIELD)", None),
        ("$(NOPE)-prod", None),
        ("$(LATER)", None),
    ] {
        assert_eq!(endpoint(value, &known).as_deref(), expected, "{value}");
    }
    for value in ["$(OF_MAP)", "$(PRE_org)"] {
        assert_eq!(endpoint(value, &maps(&[])), None, "{value} is not read yet");
    }
    let mut env: Vec<Json> = (1..100)
        .map(|at| literal(&format!("V{at}"), &format!("$(V{0})$(V{0})", at - 1)))
        .collect();
    env.insert(0, literal("V0", "x"));
    env.push(literal(ENDPOINT, "$(V99)"));
    assert_eq!(
        with_env(&env.into(), &json!([]), &maps(&[])).endpoint,
        None,
        "it does not fill the memory"
    );
}

#[test]
fn the_config_maps_that_values_refer_to_are_read() {
    let of_map = json!({"name": "INST", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}});
    let env = json!([of_map, literal(ENDPOINT, "https://$(INST)-$(ENV).azure-api.net")]);
    let spec =
        spec(&json!({"name": "gw", "env": env, "envFrom": [{"prefix": "E", "configMapRef": {"name": "n"}}]}));
    let sought = settings_in_config_maps(&spec);
    assert_eq!(sought["m"], BTreeSet::from(["k".to_owned()]));
    assert!(sought["n"].contains("NV"), "{sought:?}");
    let lacks = missing_config_map(&spec, &maps(&[]), |name| name == "m");
    assert!(lacks.is_some(), "no pod starts without it");
}

#[test]
fn a_credential_is_followed_through_a_variable() {
    let token = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let credential = |env: &[Json], imports: Json, config_maps: &ConfigMaps| {
        with_env(&env.to_vec().into(), &imports, config_maps).credential
    };
    let none = maps(&[]);
    for (name, value) in [
        (AUTH, "GatewayKey $(TOKEN)"),
        (AUTH, "$(TOKEN)"),
        (AUTH_KEY, "GatewayKey $(TOKEN)"),
        (AUTH_KEY, "$(TOKEN)"),
    ] {
        let env = [token.clone(), literal(name, value)];
        assert_eq!(
            credential(&env, json!([]), &none),
            secret_key("s", "k"),
            "{name}: {value}"
        );
        let imported = credential(
            &env[1..],
            json!([{"prefix": "TO", "secretRef": {"name": "t"}}]),
            &none,
        );
        assert_eq!(imported, secret_key("t", "KEN"), "{name}: {value}");
    }
    let parts = [
        token.clone(),
        literal(AUTH, "GatewayKey gw&203001010000&$(TOKEN)"),
    ];
    assert_eq!(credential(&parts, json!([]), &none), CredentialSource::Missing);
    let in_clear = [
        literal("TOKEN", "gw&203001010000&c2ln"),
        literal(AUTH, "GatewayKey $(TOKEN)"),
    ];
    assert!(matches!(
        credential(&in_clear, json!([]), &none),
        CredentialSource::Inline { .. }
    ));
    let both = json!([{"secretRef": {"name": "t"}}, {"configMapRef": {"name": "m"}}]);
    let env = json!([literal(AUTH, "GatewayKey $(TOKEN)")]);
    assert!(
        with_env(&env, &both, &none).hides_auth,
        "the ConfigMap may set it"
    );
    let read = with_env(&env, &both, &maps(&[("m", &[])]));
    assert_eq!(read.credential, secret_key("t", "TOKEN"));
    let secret = [
        token,
        literal(AUTH, "azureAdApp"),
        literal(APP_SECRET, "$(TOKEN)"),
    ];
    let found = with_env(&secret.to_vec().into(), &json!([]), &none);
    assert_eq!(found.entra.credential, [("s".to_owned(), vec!["k".to_owned()])]);
    assert_eq!(found.entra.in_clear, None);
}

#[test]
fn a_value_around_a_variable_may_add_the_prefix() {
    let token = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let none = maps(&[]);
    let added = |value: &str| {
        let env = json!([token, literal(AUTH, value)]);
        with_env(&env, &json!([]), &none).adds_prefix
    };
    assert!(added("GatewayKey $(TOKEN)") && !added("$(TOKEN)"));
    // The other setting is not the credential.
    let of_other = json!([
        token,
        literal(AUTH, "$(TOKEN)"),
        literal(AUTH_KEY, "GatewayKey $(TOKEN)")
    ]);
    assert!(!with_env(&of_other, &json!([]), &none).adds_prefix);
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
