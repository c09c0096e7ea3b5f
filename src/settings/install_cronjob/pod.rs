//! The settings of the pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;

use super::key::key_of;
use crate::cli::{self, PodArgs, PullPolicy};
use crate::error::{Error, Result};
use crate::manifest::cronjob::{OS, OS_LABEL, PodOptions, RunAs};
use crate::manifest::ownership::Owner;
use crate::model::entra::USE_LABEL;
use crate::settings::typed::check_name;

/// The key of a ConfigMap that holds certificate authorities, unless another is
/// named.
const CA_KEY: &str = "ca.crt";

pub(super) fn options(args: &PodArgs) -> Result<PodOptions> {
    for name in &args.image_pull_secret {
        check_name(name).map_err(|why| Error::usage(format!("--image-pull-secret: {why}")))?;
    }
    let ca = args.ca_configmap.as_ref();
    Ok(PodOptions {
        image: pinned(&args.image)?,
        pull_policy: args.image_pull_policy.map(|policy| {
            let policy = match policy {
                PullPolicy::Always => "Always",
                PullPolicy::IfNotPresent => "IfNotPresent",
                PullPolicy::Never => "Never",
            };
            policy.to_owned()
        }),
        pull_secrets: args.image_pull_secret.clone(),
        tolerations: args
            .toleration
            .iter()
            .map(|taint| toleration(taint))
            .collect::<Result<_>>()?,
        node_selector: node_selector(&args.node_selector)?,
        priority_class: args.priority_class.clone(),
        labels: labels(&args.pod_label)?,
        annotations: pairs("pod-annotation", &args.pod_annotation)?,
        proxy: args.proxy.as_deref().map(proxy).transpose()?,
        ca: ca.map(|text| key_of("ca-configmap", text, CA_KEY)).transpose()?,
        run_as: match args.run_as {
            cli::RunAs::Image => RunAs::Image,
            cli::RunAs::Cluster => RunAs::Cluster,
        },
    })
}

/// Refuses an image that can change without a change of its name.
fn pinned(image: &str) -> Result<String> {
    let last = image.rsplit('/').next().unwrap_or_default();
    let why = match (last.split_once('@'), last.split_once(':')) {
        _ if image.is_empty() || image.contains(char::is_whitespace) => "it is not an image",
        (Some((_, digest)), _) if digest.starts_with("sha256:") && digest.len() == 71 => {
            return Ok(image.to_owned());
        }
        (Some(_), _) => "its digest does not consist of sha256: and 64 digits",
        (None, None) => "it has no tag, so the tag is latest",
        (None, Some((_, "latest" | ""))) => "its tag moves with every release",
        (None, Some(_)) => return Ok(image.to_owned()),
    };
    Err(Error::usage(format!("--image `{image}` is not pinned: {why}"))
        .hint("give a version or a digest, so that the program that can write credentials changes only if you want it"))
}

/// Parses a taint as `kubectl taint` takes it.
fn toleration(text: &str) -> Result<Toleration> {
    let (taint, effect) = match text.split_once(':') {
        Some((taint, effect)) => (taint, Some(effect)),
        None => (text, None),
    };
    let (key, value) = match taint.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (taint, None),
    };
    let known = effect.is_none_or(|effect| ["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect));
    if key.is_empty() || !known {
        return Err(Error::usage(format!("--toleration `{text}` is not a taint"))
            .hint("use KEY, KEY=VALUE or KEY=VALUE:EFFECT; the effects are NoSchedule, PreferNoSchedule and NoExecute"));
    }
    Ok(Toleration {
        key: Some(key.to_owned()),
        operator: Some(if value.is_some() { "Equal" } else { "Exists" }.to_owned()),
        value: value.map(str::to_owned),
        effect: effect.map(str::to_owned),
        ..Toleration::default()
    })
}

fn node_selector(given: &[String]) -> Result<BTreeMap<String, String>> {
    let labels = pairs("node-selector", given)?;
    match labels.get(OS_LABEL) {
        Some(os) if os != OS => Err(Error::usage(format!(
            "--node-selector {OS_LABEL}={os} selects no node that can run the image, which is for Linux"
        ))),
        _ => Ok(labels),
    }
}

/// Labels of the pods, without those by which an installation finds its objects.
fn labels(given: &[String]) -> Result<BTreeMap<String, String>> {
    let labels = pairs("pod-label", given)?;
    if labels.contains_key(USE_LABEL) {
        return Err(Error::usage(format!(
            "--pod-label {USE_LABEL} is set by --auth workload-identity"
        )));
    }
    let mut own = Owner::installation("").labels().into_keys();
    match own.find(|label| labels.contains_key(label)) {
        Some(label) => Err(Error::usage(format!(
            "--pod-label {label} is a label by which the installation finds its objects"
        ))),
        None => Ok(labels),
    }
}

fn pairs(flag: &str, given: &[String]) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for text in given {
        let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) =
            pair.ok_or_else(|| Error::usage(format!("--{flag} `{text}` is not of the form KEY=VALUE")))?;
        if pairs.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Error::usage(format!("--{flag} {key} is given twice")));
        }
    }
    Ok(pairs)
}

/// A proxy without a password: everyone who can read the CronJob reads it.
fn proxy(text: &str) -> Result<String> {
    // An address that does not parse may hold a password too.
    if text.contains('@') {
        return Err(Error::usage(
            "--proxy contains a password, which everyone who can read the CronJob could read",
        )
        .hint("let the proxy recognise the pods by their addresses, or leave the password out"));
    }
    let url: Option<http::Uri> = text.parse().ok();
    let has_host = url.as_ref().is_some_and(|url| url.authority().is_some());
    match url.as_ref().and_then(http::Uri::scheme_str) {
        Some("http" | "https") if has_host => Ok(text.to_owned()),
        _ => Err(Error::usage(format!(
            "--proxy `{text}` is not of the form http://HOST:PORT"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pinned_image_is_taken() {
        let digest = format!("ghcr.io/a/b@sha256:{}", "0".repeat(64));
        for image in ["ghcr.io/a/b:v1", "localhost:5000/b:1.2", &digest] {
            assert!(pinned(image).is_ok(), "{image}");
        }
        for (image, why) in [
            ("ghcr.io/a/b", "no tag"),
            ("localhost:5000/b", "no tag"),
            ("ghcr.io/a/b:latest", "moves with every release"),
            ("ghcr.io/a/b@sha256:12", "64 digits"),
            ("", "not an image"),
        ] {
            let error = pinned(image).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn taints_are_written_as_for_kubectl() {
        let all = toleration("dedicated").unwrap();
        assert_eq!((all.operator.as_deref(), all.effect), (Some("Exists"), None));
        let one = toleration("pool=infra:NoSchedule").unwrap();
        assert_eq!(one.value.as_deref(), Some("infra"));
        assert!(toleration("pool=infra:Never").is_err() && toleration("=x").is_err());
    }

    fn given(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|&label| label.to_owned()).collect()
    }

    #[test]
    fn labels_have_a_key_and_a_value() {
        assert_eq!(
            pairs("pod-annotation", &given(&["note=a=b"])).unwrap()["note"],
            "a=b"
        );
        for labels in [&["zone"][..], &["=x"], &["zone=a", "zone=b"]] {
            assert!(pairs("pod-label", &given(labels)).is_err(), "{labels:?}");
        }
    }

    #[test]
    fn labels_that_would_break_the_installation_are_refused() {
        assert!(node_selector(&given(&["zone=", "kubernetes.io/os=linux"])).is_ok());
        let error = node_selector(&given(&["kubernetes.io/os=windows"])).unwrap_err();
        assert!(error.to_string().contains("Linux"), "{error}");
        for label in [
            "app.kubernetes.io/instance=x",
            "azure.workload.identity/use=false",
        ] {
            assert!(labels(&given(&[label])).is_err(), "{label}");
        }
        assert!(labels(&given(&["sidecar.istio.io/inject=true"])).is_ok());
    }

    #[test]
    fn a_password_does_not_get_into_the_manifest() {
        assert!(proxy("http://proxy.corp:3128").is_ok());
        for url in [
            "http://user:secret@proxy:3128",
            "http://user:secret@proxy:port",
            "proxy:3128",
            "socks5://proxy",
        ] {
            let error = proxy(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
