//! Whose the files of a volume are, and who may read them.
//!
//! The rules are the kubelet's: files belong to root, a pod's `fsGroup` becomes their group, which may then read
//! them, and the token of a service account is for its owner and that group alone.

use k8s_openapi::api::core::v1::{Container, Pod, PodSecurityContext};

use super::File;

const ROOT: i64 = 0;

/// User and group of the gateway's image.
const GATEWAY: i64 = 1001;

/// The user and the group of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: i64,
    pub(super) group: i64,
}

impl Owner {
    pub(super) const ROOT: Self = Self {
        user: ROOT,
        group: ROOT,
    };
}

/// The mode and the owner of a token of the pod's service account.
pub(super) fn of_token(pod: &Pod, mode: i32) -> (i32, Owner) {
    let user = common_user(pod);
    let is_private = user.is_some() || fs_group(pod).is_some();
    let owner = Owner {
        user: user.unwrap_or(ROOT),
        group: ROOT,
    };
    (if is_private { 0o600 } else { mode }, owner)
}

/// Gives the files of a volume that is mounted read-only to the pod's `fsGroup`, if it has one.
pub(super) fn give_to_group(pod: &Pod, files: &mut [File]) {
    let Some(group) = fs_group(pod) else { return };
    for file in files {
        file.mode |= 0o440;
        file.owner.group = group;
    }
}

/// Whether the process of a gateway's container may read the file.
pub(super) fn may_read(pod: &Pod, container: &Container, file: &File) -> bool {
    let context = pod_context(pod);
    let user = user_of(pod, container).unwrap_or(GATEWAY);
    let of_container = container.security_context.as_ref();
    let group = of_container
        .and_then(|context| context.run_as_group)
        .or(context.and_then(|context| context.run_as_group))
        .unwrap_or(GATEWAY);
    let others = context.and_then(|context| context.supplemental_groups.as_deref());
    let in_group = group == file.owner.group
        || fs_group(pod) == Some(file.owner.group)
        || others.is_some_and(|groups| groups.contains(&file.owner.group));
    let bit = match user {
        ROOT => return true,
        user if user == file.owner.user => 0o400,
        _ if in_group => 0o040,
        _ => 0o004,
    };
    file.mode & bit != 0
}

fn pod_context(pod: &Pod) -> Option<&PodSecurityContext> {
    pod.spec.as_ref()?.security_context.as_ref()
}

fn fs_group(pod: &Pod) -> Option<i64> {
    pod_context(pod)?.fs_group
}

fn user_of(pod: &Pod, container: &Container) -> Option<i64> {
    let of_container = container.security_context.as_ref();
    of_container
        .and_then(|context| context.run_as_user)
        .or_else(|| pod_context(pod)?.run_as_user)
}

/// The user of all containers of the pod, if it is set and the same for all.
fn common_user(pod: &Pod) -> Option<i64> {
    let spec = pod.spec.as_ref()?;
    let mut containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    let first = user_of(pod, containers.next()?)?;
    containers
        .all(|container| user_of(pod, container) == Some(first))
        .then_some(first)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Whether the gateway of a pod with these security contexts may read a file of this mode.
    fn reads(of_pod: &Value, of_container: &Value, mode: i32) -> bool {
        let container = json!({"name": "gw", "securityContext": of_container});
        let pod = json!({"spec": {"securityContext": of_pod, "containers": [container]}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let mut files = [File {
            path: "certificate.pfx".to_owned(),
            content: Vec::new(),
            mode,
            owner: Owner::ROOT,
        }];
        give_to_group(&pod, &mut files);
        may_read(&pod, &pod.spec.as_ref().unwrap().containers[0], &files[0])
    }

    #[test]
    fn a_file_is_readable_by_the_rules_of_the_kubelet() {
        let none = &json!(null);
        assert!(reads(none, none, 0o644));
        assert!(!reads(none, none, 0o440));
        assert!(!reads(none, none, 0o600));
        assert!(reads(&json!({"fsGroup": 1001}), none, 0o440));
        assert!(reads(&json!({"fsGroup": 7}), none, 0o400));
        assert!(reads(&json!({"supplementalGroups": [0]}), none, 0o440));
        assert!(reads(&json!({"runAsUser": 0}), none, 0o400));
        assert!(!reads(
            &json!({"runAsUser": 0}),
            &json!({"runAsUser": 1001}),
            0o400
        ));
        assert!(reads(none, &json!({"runAsGroup": 0}), 0o440));
    }

    #[test]
    fn a_token_is_private_as_soon_as_it_has_an_owner() {
        for (context, expected) in [
            (json!(null), (0o644, Owner::ROOT)),
            (json!({"fsGroup": 1001}), (0o600, Owner::ROOT)),
            (json!({"runAsUser": 5}), (0o600, Owner { user: 5, group: ROOT })),
        ] {
            let pod = json!({"spec": {"securityContext": context, "containers": [{"name": "gw"}]}});
            let pod: Pod = serde_json::from_value(pod).unwrap();
            assert_eq!(of_token(&pod, 0o644), expected);
        }
    }
}
