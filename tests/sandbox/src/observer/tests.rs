//! Each rule can fail, and what the program is meant to do breaks none.

#![expect(clippy::needless_pass_by_value, reason = "the helpers take literals of JSON")]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use super::Standing;
use super::judge::Judge;
use super::version::Kind;

/// A namespace in which somebody writes.
#[derive(Default)]
struct Scene {
    judge: Judge,
    clock: u64,
}

/// Azure's opinion of a credential, which its first letter tells.
fn standing(credential: &str) -> Standing {
    match &credential[..1] {
        "+" => Standing::Accepted,
        "!" => Standing::Spoiled,
        _ => Standing::Refused,
    }
}

impl Scene {
    /// A Secret that the program has not touched, and a workload that uses it.
    fn new() -> Self {
        let mut scene = Self::default();
        scene.secret(
            json!({"value": "+old", "other": "x"}),
            json!({"team": "shop"}),
            false,
        );
        scene.template(json!({"prometheus": "on"}), 1, false);
        scene
    }

    /// A write to the Secret; of the program, or of somebody else.
    fn secret(&mut self, data: Value, annotations: Value, is_ours: bool) {
        let encoded: Map<String, Value> = object(data)
            .into_iter()
            .map(|(key, value)| (key, BASE64_STANDARD.encode(value.as_str().unwrap()).into()))
            .collect();
        let holds = json!({"f:data": {"f:value": {}}, "f:metadata": {"f:annotations": {"f:apim-rotate/rotation-id": {}}}});
        let body = json!({"data": encoded, "metadata": {"annotations": annotations}});
        self.see(Kind::Secret, "token", body, is_ours.then_some(holds));
    }

    fn template(&mut self, annotations: Value, image: u32, is_ours: bool) {
        let marks = json!({"f:apim-rotate/rotation-id": {}, "f:kubectl.kubernetes.io/restartedAt": {}});
        let holds = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": marks}}}});
        let mut spec = json!({"template": {"metadata": {"labels": {}}, "image": image}});
        if !annotations.is_null() {
            spec["template"]["metadata"]["annotations"] = annotations;
        }
        self.see(
            Kind::Deployment,
            "gw",
            json!({"spec": spec, "metadata": {}}),
            is_ours.then_some(holds),
        );
    }

    fn pod(&mut self, name: &str) {
        let spec = json!({"env": {"secretKeyRef": {"name": "token", "key": "value"}}});
        self.see(Kind::Pod, name, json!({"spec": spec, "metadata": {}}), None);
    }

    fn see(&mut self, kind: Kind, name: &str, mut body: Value, holds: Option<Value>) {
        self.clock += 1;
        body["metadata"]["name"] = name.into();
        body["metadata"]["uid"] = "one".into();
        body["metadata"]["resourceVersion"] = self.clock.to_string().into();
        if let Some(holds) = holds {
            body["metadata"]["managedFields"] =
                json!([{"manager": "apim-rotate", "fieldsV1": holds, "time": "2026-01-01T00:00:00Z"}]);
        }
        let seen: DynamicObject = serde_json::from_value(body).unwrap();
        self.judge.see(kind, &seen, standing);
    }

    /// The write of a rotation and its restart.
    fn rotation(&mut self, id: &str, credential: &str) {
        self.written(id, credential);
        self.restarted(id);
    }

    fn written(&mut self, id: &str, credential: &str) {
        let annotations = json!({"team": "shop", "apim-rotate/rotation-id": id, "last-used-key": "primary"});
        self.secret(json!({"value": credential, "other": "x"}), annotations, true);
    }

    fn restarted(&mut self, ids: &str) {
        let marks = json!({"prometheus": "on", "apim-rotate/rotation-id": ids, "kubectl.kubernetes.io/restartedAt": ids});
        self.template(marks, 1, true);
    }

    #[track_caller]
    fn is_innocent(&self) {
        assert_eq!(self.judge.violations(), Vec::<String>::new());
    }

    #[track_caller]
    fn is_guilty_of(&self, text: &str) {
        let violations = self.judge.violations();
        assert!(
            violations.len() == 1 && violations[0].contains(text),
            "{violations:#?}"
        );
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

#[test]
fn rotations_one_after_the_other_are_right() {
    let mut scene = Scene::new();
    scene.pod("a");
    scene.rotation("1", "+one");
    scene.pod("b");
    scene.rotation("2", "+two");
    scene.pod("c");
    scene.is_innocent();
}

#[test]
fn an_accepted_credential_must_not_be_replaced_by_a_refused_one() {
    let mut scene = Scene::new();
    scene.rotation("1", "-bad");
    scene.is_guilty_of("value was accepted by Azure and is refused now");
    assert_eq!(scene.judge.found(), scene.judge.violations());
}

#[test]
fn a_refusal_that_the_test_wanted_is_no_fault_and_neither_is_a_write_of_somebody_else() {
    let mut scene = Scene::new();
    scene.rotation("1", "!bad");
    scene.pod("a");
    scene.secret(
        json!({"value": "-worse", "other": "x"}),
        json!({"team": "shop"}),
        false,
    );
    scene.pod("b");
    scene.is_innocent();
}

#[test]
fn no_pod_starts_with_a_refused_credential_of_the_program() {
    let mut scene = Scene::new();
    scene.secret(
        json!({"value": "-expired", "other": "x"}),
        json!({"team": "shop"}),
        false,
    );
    scene.rotation("1", "-bad");
    scene.is_innocent();
    scene.pod("a");
    scene.is_guilty_of("pod/a: started while secret/token had a refused credential");
}

#[test]
fn a_rotation_writes_one_credential() {
    let mut scene = Scene::new();
    scene.rotation("1", "+one");
    scene.written("1", "+two");
    scene.is_guilty_of("a second credential was written as rotation Some(\"1\")");
}

#[test]
fn a_rotation_restarts_once() {
    let mut scene = Scene::new();
    scene.rotation("1", "+one");
    let again = json!({"prometheus": "on", "apim-rotate/rotation-id": "1", "kubectl.kubernetes.io/restartedAt": "later"});
    scene.template(again, 1, true);
    scene.is_guilty_of("a second restart for {\"1\"}");
}

#[test]
fn the_first_annotations_of_a_template_are_no_other_change() {
    let mut scene = Scene::new();
    scene.template(json!(null), 1, false);
    scene.written("1", "+one");
    scene.template(json!({"apim-rotate/rotation-id": "1"}), 1, true);
    scene.is_innocent();
}

#[test]
fn a_mark_that_somebody_else_took_away_may_come_back() {
    let mut scene = Scene::new();
    scene.rotation("1", "+one");
    scene.template(json!({"prometheus": "on"}), 1, false);
    scene.restarted("1");
    scene.is_innocent();
}

#[test]
fn an_id_that_came_back_is_a_second_restart() {
    let mut scene = Scene::new();
    scene.rotation("1", "+one");
    scene.rotation("2", "+two");
    // As two Secrets do that take turns in one annotation.
    scene.restarted("1");
    scene.is_guilty_of("2 was taken back though its credential was not");
}

#[test]
fn one_mark_for_each_secret_is_right() {
    let mut scene = Scene::new();
    scene.written("1", "+one");
    scene.restarted("1");
    scene.written("2", "+two");
    scene.restarted("1,2");
    scene.written("3", "+three");
    scene.restarted("3,2");
    scene.is_innocent();
}

#[test]
fn a_put_back_restores_credential_and_restart() {
    let mut scene = Scene::new();
    scene.rotation("1", "+one");
    scene.rotation("2", "!bad");
    scene.written("1", "+one");
    scene.restarted("1");
    scene.rotation("3", "+three");
    scene.is_innocent();
}

#[test]
fn a_put_back_restores_the_annotations_too() {
    let mut scene = Scene::new();
    scene.rotation("1", "+one");
    scene.rotation("2", "!bad");
    let annotations = json!({"team": "shop", "apim-rotate/rotation-id": "1", "last-used-key": "secondary"});
    scene.secret(json!({"value": "+one", "other": "x"}), annotations, true);
    scene.is_guilty_of("a credential was put back without its annotations");
}

#[test]
fn what_a_put_back_owes_is_no_part_of_what_it_restores() {
    let mut scene = Scene::new();
    scene.rotation("1", "!bad");
    let annotations = json!({"team": "shop", "apim-rotate/put-back": "1"});
    scene.secret(json!({"value": "+old", "other": "x"}), annotations, true);
    scene.is_innocent();
}

#[test]
fn a_restart_comes_after_the_write() {
    let mut scene = Scene::new();
    scene.restarted("1");
    scene.written("1", "+one");
    scene.is_guilty_of("deployment/gw: restarted for 1 before a Secret held it");
}

#[test]
fn nothing_else_changes() {
    let ours = json!({"team": "shop", "apim-rotate/rotation-id": "1"});
    let mut scene = Scene::new();
    scene.secret(json!({"value": "+one"}), ours, true);
    scene.is_guilty_of("Data other was changed or removed");

    let mut scene = Scene::new();
    scene.secret(
        json!({"value": "+one", "other": "x"}),
        json!({"apim-rotate/rotation-id": "1"}),
        true,
    );
    scene.is_guilty_of("Annotation team was changed or removed");

    let mut scene = Scene::new();
    scene.written("1", "+one");
    scene.template(
        json!({"prometheus": "on", "apim-rotate/rotation-id": "1"}),
        2,
        true,
    );
    scene.is_guilty_of("Spec  was changed or removed");

    let mut scene = Scene::new();
    scene.written("1", "+one");
    scene.template(json!({"apim-rotate/rotation-id": "1"}), 1, true);
    scene.is_guilty_of("Template prometheus was changed or removed");
}

#[test]
fn a_watch_that_starts_again_and_a_secret_of_the_same_name_are_no_second_write() {
    let mut scene = Scene::new();
    scene.rotation("1", "+one");
    let mut again = json!({"metadata": {"name": "token", "uid": "one", "resourceVersion": "3"}, "data": {}});
    let seen = serde_json::from_value(again.clone()).unwrap();
    scene.judge.see(Kind::Secret, &seen, standing);
    again["metadata"]["uid"] = "two".into();
    again["metadata"]["resourceVersion"] = "9".into();
    let seen = serde_json::from_value(again).unwrap();
    scene.judge.see(Kind::Secret, &seen, standing);
    scene.is_innocent();
}

/// A pod template as a set-up makes it, or as it was before.
fn with_auth(scene: &mut Scene, auth: Option<&str>, id: Option<&str>) {
    let marks = json!({"f:apim-rotate/rotation-id": {}});
    let holds = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": marks}}}});
    let env = auth.map(|auth| json!([{"name": "config.service.auth", "value": auth}, "entra"]));
    let annotations = id.map(|id| json!({"apim-rotate/rotation-id": id}));
    let template = json!({"metadata": {"labels": {}, "annotations": annotations}, "env": env});
    let body = json!({"spec": {"template": template}, "metadata": {}});
    scene.see(Kind::Deployment, "entra", body, Some(holds));
}

fn app_secret(scene: &mut Scene, key_id: &str, value: &str) {
    let data = json!({"azure-ad-app-secret": BASE64_STANDARD.encode(value)});
    let body = json!({"data": data, "metadata": {"annotations": {"apim-rotate/key-id": key_id}}});
    let holds = json!({"f:data": {"f:azure-ad-app-secret": {}}});
    scene.see(Kind::Secret, "entra", body, Some(holds));
}

#[test]
fn a_set_up_changes_the_template_with_its_id_and_gives_it_back() {
    let mut scene = Scene::default();
    with_auth(&mut scene, None, None);
    app_secret(&mut scene, "k1", "one");
    with_auth(&mut scene, Some("azureAdApp"), Some("k1,setup-1"));
    with_auth(&mut scene, Some("azureAdApp"), Some("k1,setup-2"));
    with_auth(&mut scene, None, None);
    with_auth(&mut scene, Some("workloadIdentity"), Some("setup-3"));
    app_secret(&mut scene, "k2", "two");
    assert_eq!(scene.judge.violations(), Vec::<String>::new());

    // No annotation shows which credential the Secret holds.
    let mut scene = Scene::default();
    with_auth(&mut scene, None, None);
    with_auth(&mut scene, Some("azureAdApp"), Some("setup-1"));
    assert_eq!(scene.judge.violations(), Vec::<String>::new());
}

#[test]
fn a_set_up_can_break_a_rule() {
    type Breach = (&'static str, fn(&mut Scene));
    let broken: [Breach; 5] = [
        ("before a Secret held it", |scene| {
            with_auth(scene, None, None);
            with_auth(scene, Some("azureAdApp"), Some("k1"));
        }),
        ("without the id of its credential", |scene| {
            app_secret(scene, "k1", "one");
            with_auth(scene, None, None);
            with_auth(scene, Some("azureAdApp"), Some("setup-1"));
        }),
        ("Spec", |scene| {
            app_secret(scene, "k1", "one");
            with_auth(scene, None, Some("k1"));
            with_auth(scene, Some("azureAdApp"), Some("k1 "));
        }),
        ("neither restarted", |scene| {
            app_secret(scene, "k1", "one");
            with_auth(scene, None, None);
            with_auth(scene, Some("azureAdApp"), Some("k1"));
            with_auth(scene, Some("azureAdApp"), None);
        }),
        ("a second credential", |scene| {
            app_secret(scene, "k1", "one");
            app_secret(scene, "k1", "two");
        }),
    ];
    for (rule, break_it) in broken {
        let mut scene = Scene::default();
        break_it(&mut scene);
        let found = scene.judge.violations();
        assert!(found.iter().any(|it| it.contains(rule)), "{rule}: {found:?}");
    }
}
