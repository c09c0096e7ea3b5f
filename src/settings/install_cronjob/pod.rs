//! The settings of the pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;

use super::key::key_of;
use crate::cli::{self, PodArgs, PullPolicy};
use crate::error::{Error, Result};
use crate::manifest::cronjob::{PodOptions, RunAs};
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
        node_selector: args
            .node_selector
            .iter()
            .map(|label| node_label(label))
            .collect::<Result<BTreeMap<_, _>>>()?,
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

fn node_label(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::usage(format!(
            "--node-selector `{text}` is not of the form KEY=VALUE"
        ))),
    }
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
        assert!(node_label("zone=").is_ok() && node_label("zone").is_err());
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
