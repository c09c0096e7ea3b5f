//! What else uses the objects of an installation.

use serde_json::Value;

use super::read::is_forbidden;
use crate::cluster::list::List;
use crate::cluster::{Cluster, explain};
use crate::error::Result;
use crate::model::request::Scope;
use crate::model::{Account, Object, ObjectKind, Use, references};

/// What has a pod spec: the API, the resource and what `kubectl -o name` prints.
const WITH_PODS: [(&str, &str, &str); 6] = [
    ("/apis/batch/v1", "cronjobs", "cronjob.batch"),
    ("/apis/batch/v1", "jobs", "job.batch"),
    ("/apis/apps/v1", "deployments", "deployment.apps"),
    ("/apis/apps/v1", "statefulsets", "statefulset.apps"),
    ("/apis/apps/v1", "daemonsets", "daemonset.apps"),
    ("/api/v1", "pods", "pod"),
];

/// A binding that gives the account rights, beside that of the installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub reference: String,
    /// `None` for one of the whole cluster.
    pub namespace: Option<String>,
    /// The others that it names.
    pub others: Vec<String>,
}

/// What was found, and the resources that this user may not list.
#[derive(Debug, Default)]
pub struct Users {
    pub uses: Vec<Use>,
    /// Those that name the account.
    pub bindings: Vec<Binding>,
    /// Those of a group that every account is in, without those of Kubernetes itself.
    pub of_every_account: Vec<Binding>,
    /// The binding of the installation, if it names others too.
    pub shared: Option<Object>,
    pub unread: Vec<&'static str>,
}

/// Who uses the ServiceAccount, the Role or the Secret of this name, apart from the
/// installation of this name.
pub async fn users(cluster: &Cluster, name: &str) -> Result<Users> {
    let mut users = Users::default();
    let here = Scope::Namespace(cluster.namespace.clone());
    for (api, resource, singular) in WITH_PODS {
        let keep = |object: Value| {
            let found = uses_of(&object, resource, singular, name);
            (!found.is_empty()).then_some(found)
        };
        let listed = cluster.list(List::of(api, resource), &here, keep).await;
        users.add(listed, resource, |all, found: Vec<Use>| all.uses.extend(found))?;
    }
    users.add_bindings(cluster, name).await?;
    Ok(users)
}

/// What binds an account or a Role of this name, without what has a pod spec.
pub async fn bindings(cluster: &Cluster, name: &str) -> Result<Users> {
    let mut users = Users::default();
    users.add_bindings(cluster, name).await?;
    Ok(users)
}

impl Users {
    fn add<T>(
        &mut self,
        listed: Result<Vec<T>, kube::Error>,
        resource: &'static str,
        add: impl Fn(&mut Self, T),
    ) -> Result<()> {
        match listed {
            Ok(found) => found.into_iter().for_each(|found| add(self, found)),
            Err(error) if is_forbidden(&error) => self.unread.push(resource),
            Err(error) => return Err(explain(error, &format!("listing {resource}"))),
        }
        Ok(())
    }

    async fn add_bindings(&mut self, cluster: &Cluster, name: &str) -> Result<()> {
        for kind in [ObjectKind::RoleBinding, ObjectKind::ClusterRoleBinding] {
            let api = kind.api();
            let list = List::of(&api, kind.plural());
            let account = Account {
                namespace: &cluster.namespace,
                name,
            };
            let keep = |object: Value| bound(Object::new(kind, object), account);
            let mut listed = cluster.list(list, &Scope::Everywhere, keep).await;
            // Most users may list those of their namespace only.
            if kind == ObjectKind::RoleBinding && listed.as_ref().is_err_and(is_forbidden) {
                let here = Scope::Namespace(cluster.namespace.clone());
                listed = cluster.list(list, &here, keep).await;
            }
            self.add(listed, kind.plural(), |users, bound| {
                users.add_bound(bound, account);
            })?;
        }
        Ok(())
    }

    fn add_bound(&mut self, bound: Bound, account: Account<'_>) {
        let use_of = |kind, by| Use {
            of: (kind, account.name.to_owned()),
            by,
        };
        match bound {
            Bound::Role(by) => self.uses.push(use_of(ObjectKind::Role, by)),
            Bound::Account(binding) => self.bindings.push(binding),
            Bound::EveryAccount(binding) => self.of_every_account.push(binding),
            Bound::Others(binding) => {
                let others = account.others_in(&binding).into_iter();
                self.uses
                    .extend(others.map(|by| use_of(ObjectKind::RoleBinding, by)));
                self.uses.push(use_of(ObjectKind::Role, binding.reference()));
                self.shared = Some(binding);
            }
        }
    }
}

/// What a binding has to do with an installation.
#[derive(Debug, PartialEq)]
enum Bound {
    /// It grants the Role to something else.
    Role(String),
    /// It names the account.
    Account(Binding),
    /// It names a group that every account is in.
    EveryAccount(Binding),
    /// It is that of the installation, and names others too.
    Others(Object),
}

/// The Jobs of a CronJob that have not ended.
pub async fn running_jobs(cluster: &Cluster, cron_job: &Object) -> Result<Vec<String>, kube::Error> {
    let scope = Scope::Namespace(cluster.namespace.clone());
    let keep = |job: Value| {
        let is_of_it = owners(&job).any(|owner| text(owner, "/uid") == cron_job.uid());
        (is_of_it && !has_ended(&job)).then(|| Object::new(ObjectKind::Job, job).reference())
    };
    cluster
        .list(List::of("/apis/batch/v1", "jobs"), &scope, keep)
        .await
}

/// The text at a place of an object, empty if there is none.
fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    object.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(object: &'a Value, place: &str) -> impl Iterator<Item = &'a Value> {
    let items = object.pointer(place).and_then(Value::as_array);
    items.into_iter().flatten()
}

fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    items(object, "/metadata/ownerReferences")
}

fn uses_of(object: &Value, resource: &str, singular: &str, name: &str) -> Vec<Use> {
    let its_name = text(object, "/metadata/name");
    let of_installation = resource == "cronjobs" && its_name == name;
    // What controls it counts instead.
    let controller = match resource {
        "jobs" => Some("CronJob"),
        "pods" => Some("Job"),
        _ => None,
    };
    let is_controlled = controller.is_some_and(|controller| {
        let is_controller = |owner: &Value| owner.get("controller") == Some(&Value::Bool(true));
        owners(object).any(|owner| is_controller(owner) && text(owner, "/kind") == controller)
    });
    if of_installation || is_controlled || has_ended(object) {
        return Vec::new();
    }
    let by = format!("{singular}/{its_name}");
    let referred = object.get("spec").map(references).unwrap_or_default();
    let of_it = referred.into_iter().filter(|(_, referred)| referred == name);
    of_it.map(|of| Use { of, by: by.clone() }).collect()
}

/// Whether a Job or a pod has ended; other objects do not.
fn has_ended(object: &Value) -> bool {
    let has = |place: &str| object.pointer(place).is_some();
    let is_job = has("/spec/template") && has("/spec/selector");
    let mut conditions = items(object, "/status/conditions");
    let ended = |condition: &Value| {
        ["Complete", "Failed"].contains(&text(condition, "/type")) && text(condition, "/status") == "True"
    };
    (is_job && conditions.any(ended)) || ["Succeeded", "Failed"].contains(&text(object, "/status/phase"))
}

fn bound(binding: Object, account: Account<'_>) -> Option<Bound> {
    let place = binding.namespace();
    let is_here = place == Some(account.namespace);
    let others = account.others_in(&binding);
    if is_here && binding.name() == account.name {
        return (!others.is_empty()).then_some(Bound::Others(binding));
    }
    let role = (
        text(binding.document(), "/roleRef/kind"),
        text(binding.document(), "/roleRef/name"),
    );
    if is_here && role == ("Role", account.name) && !others.is_empty() {
        return Some(Bound::Role(binding.reference()));
    }
    let names = account.is_bound_by(&binding);
    // Kubernetes gives every account these, and repairs them.
    let is_built_in = binding.label("kubernetes.io/bootstrapping").is_some();
    let of_every = !is_built_in && account.is_in_a_group_of(&binding);
    let binding = Binding {
        reference: binding.reference(),
        namespace: place.map(str::to_owned),
        others,
    };
    match (names, of_every) {
        (true, _) => Some(Bound::Account(binding)),
        (false, true) => Some(Bound::EveryAccount(binding)),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn by(object: &Value, resource: &str) -> Vec<(ObjectKind, String)> {
        let uses = uses_of(object, resource, "x", "a");
        uses.into_iter().map(|found| (found.of.0, found.by)).collect()
    }

    #[test]
    fn the_account_and_the_secret_of_every_pod_spec_count() {
        let pods = json!({"serviceAccountName": "a", "volumes": [{"secret": {"secretName": "a"}}]});
        let both = [
            (ObjectKind::ServiceAccount, "x/theirs".to_owned()),
            (ObjectKind::Secret, "x/theirs".to_owned()),
        ];
        let meta = json!({"name": "theirs"});
        assert_eq!(by(&json!({"metadata": meta, "spec": pods}), "pods"), both);
        let deployment = json!({"metadata": meta, "spec": {"template": {"spec": pods}}});
        assert_eq!(by(&deployment, "deployments"), both);
        let cron_job = |name: &str| json!({"metadata": {"name": name}, "spec": {"jobTemplate": {"spec": {"template": {"spec": pods}}}}});
        assert_eq!(by(&cron_job("theirs"), "cronjobs"), both);
        assert_eq!(by(&cron_job("a"), "cronjobs"), []);
        let other = json!({"metadata": meta, "spec": {"serviceAccountName": "b"}});
        assert_eq!(by(&other, "pods"), []);
    }

    #[test]
    fn what_is_controlled_or_has_ended_does_not_count() {
        let spec = json!({"serviceAccountName": "a"});
        let owned =
            |kind: &str| json!({"name": "p", "ownerReferences": [{"kind": kind, "controller": true}]});
        assert_eq!(by(&json!({"metadata": owned("Job"), "spec": spec}), "pods"), []);
        assert_eq!(
            by(&json!({"metadata": owned("ReplicaSet"), "spec": spec}), "pods").len(),
            1
        );
        let ended = json!({"metadata": {"name": "p"}, "spec": spec, "status": {"phase": "Succeeded"}});
        assert_eq!(by(&ended, "pods"), []);
        let job = |status: Value| json!({"metadata": {"name": "j"}, "spec": {"selector": {}, "template": {"spec": spec}}, "status": status});
        let complete = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        assert_eq!(by(&job(complete), "jobs"), []);
        assert_eq!(by(&job(json!({})), "jobs").len(), 1);
    }

    /// What becomes of a binding with this subject, in a word.
    fn word(kind: ObjectKind, meta: &Value, subject: &Value, role: &str) -> &'static str {
        let document =
            json!({"metadata": meta, "subjects": [subject], "roleRef": {"kind": "Role", "name": role}});
        let account = Account {
            namespace: "shop",
            name: "a",
        };
        match bound(Object::new(kind, document), account) {
            None => "none",
            Some(Bound::Role(_)) => "role",
            Some(Bound::Account(_)) => "account",
            Some(Bound::EveryAccount(_)) => "every account",
            Some(Bound::Others(_)) => "others",
        }
    }

    #[test]
    fn a_binding_counts_by_the_account_of_the_namespace() {
        let subject =
            |namespace: &str| json!({"kind": "ServiceAccount", "name": "a", "namespace": namespace});
        let user = json!({"kind": "User", "name": "u"});
        let as_user = json!({"kind": "User", "name": "system:serviceaccount:shop:a"});
        let every = json!({"kind": "Group", "name": "system:serviceaccounts:shop"});
        let binding = ObjectKind::RoleBinding;
        let of = |namespace: &str, subject: &Value, role: &str| {
            word(
                binding,
                &json!({"name": "x", "namespace": namespace}),
                subject,
                role,
            )
        };
        assert_eq!(of("shop", &subject("shop"), "r"), "account");
        assert_eq!(of("bank", &subject("shop"), "a"), "account");
        assert_eq!(of("bank", &as_user, "r"), "account");
        assert_eq!(of("shop", &subject("bank"), "r"), "none");
        assert_eq!(of("shop", &user, "a"), "role");
        assert_eq!(of("shop", &subject("shop"), "a"), "account");
        assert_eq!(of("bank", &user, "a"), "none");
        assert_eq!(of("shop", &every, "r"), "every account");
        let cluster =
            |meta: Value, subject: &Value| word(ObjectKind::ClusterRoleBinding, &meta, subject, "r");
        assert_eq!(cluster(json!({"name": "a"}), &subject("shop")), "account");
        let built_in = json!({"name": "x", "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}});
        assert_eq!(cluster(built_in.clone(), &every), "none");
        assert_eq!(cluster(built_in, &subject("shop")), "account");
    }

    #[test]
    fn the_binding_of_the_installation_counts_by_the_others_that_it_names() {
        let of = |namespace: &str, subject: &Value| {
            word(
                ObjectKind::RoleBinding,
                &json!({"name": "a", "namespace": namespace}),
                subject,
                "a",
            )
        };
        let account =
            |namespace: &str| json!({"kind": "ServiceAccount", "name": "a", "namespace": namespace});
        assert_eq!(of("shop", &account("shop")), "none");
        assert_eq!(
            of(
                "shop",
                &json!({"kind": "User", "name": "system:serviceaccount:shop:a"})
            ),
            "none"
        );
        assert_eq!(of("shop", &account("bank")), "others");
        assert_eq!(of("shop", &json!({"kind": "User", "name": "u"})), "others");
        assert_eq!(of("bank", &account("shop")), "account");
    }
}
