//! Which images of the gateway can sign in by Entra.

use crate::model::entra::Mode;

/// The image of a gateway, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// Of one version: major and minor.
    Version(u32, u32),
    /// Of a tag that moves, such as `v2`.
    Rolling(String),
    /// By its digest alone; a tag beside it is not looked at when it is pulled.
    Digest,
    /// Not Microsoft's image, as far as the name shows.
    Other,
}

/// Whether an image allows a mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    Yes,
    /// Its version is older than this one.
    TooOld(&'static str),
    /// It has no version, for the reason given.
    Unknown(String),
}

/// The oldest version for a value of `config.service.auth`.
struct Oldest {
    major: u32,
    minor: u32,
    version: &'static str,
}

/// For `azureAdApp`, "Reference: Self-hosted gateway settings" has v2.3 and "Use
/// Microsoft Entra authentication" has 2.2; the higher one holds. For
/// `workloadIdentity`, the same reference has 2.11.0.
const fn oldest(mode: Mode) -> Oldest {
    match mode {
        Mode::WorkloadIdentity => Oldest {
            major: 2,
            minor: 11,
            version: "2.11",
        },
        Mode::AppCertificate | Mode::AppSecret => Oldest {
            major: 2,
            minor: 3,
            version: "2.3",
        },
    }
}

impl Image {
    pub fn parse(image: &str) -> Self {
        let (name, digest) = match image.split_once('@') {
            Some((name, _)) => (name, true),
            None => (image, false),
        };
        let last = name.rsplit('/').next().unwrap_or_default();
        let (repository, tag) = last.split_once(':').unwrap_or((last, "latest"));
        if repository != "gateway" || !name.contains("azure-api-management/") {
            return Self::Other;
        }
        if digest {
            return Self::Digest;
        }
        let mut numbers = tag.trim_start_matches('v').split(['.', '-']);
        let mut number = || numbers.next()?.parse().ok();
        match (number(), number()) {
            (Some(major), Some(minor)) => Self::Version(major, minor),
            _ => Self::Rolling(tag.to_owned()),
        }
    }

    pub fn allows(&self, mode: Mode) -> Allowed {
        let oldest = oldest(mode);
        match self {
            Self::Version(major, minor) if (*major, *minor) >= (oldest.major, oldest.minor) => Allowed::Yes,
            Self::Version(..) => Allowed::TooOld(oldest.version),
            Self::Rolling(tag) => Allowed::Unknown(format!(
                "the tag `{tag}` moves, so a node may still have an image older than {}",
                oldest.version
            )),
            Self::Digest => Allowed::Unknown(format!(
                "a digest does not show whether it is {} or newer",
                oldest.version
            )),
            Self::Other => Allowed::Unknown("it is not Microsoft's image by its name".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPOSITORY: &str = "mcr.microsoft.com/azure-api-management/gateway";

    #[test]
    fn the_oldest_version_depends_on_the_mode() {
        for (tag, app, federated) in [
            (":2.2.0", false, false),
            (":2.3.0", true, false),
            (":v2.10.9", true, false),
            (":2.11.0", true, true),
            (":3.0.0", true, true),
        ] {
            let image = Image::parse(&format!("{REPOSITORY}{tag}"));
            assert_eq!(image.allows(Mode::AppSecret) == Allowed::Yes, app, "{tag}");
            assert_eq!(image.allows(Mode::AppCertificate) == Allowed::Yes, app, "{tag}");
            assert_eq!(
                image.allows(Mode::WorkloadIdentity) == Allowed::Yes,
                federated,
                "{tag}"
            );
        }
    }

    #[test]
    fn an_image_without_a_version_is_unknown_and_allowed_to_be_tried() {
        for (image, parsed) in [
            (format!("{REPOSITORY}:v2"), Image::Rolling("v2".to_owned())),
            (
                format!("{REPOSITORY}:v2-preview"),
                Image::Rolling("v2-preview".to_owned()),
            ),
            (REPOSITORY.to_owned(), Image::Rolling("latest".to_owned())),
            (format!("{REPOSITORY}:2.0.0@sha256:1"), Image::Digest),
            ("localhost:5000/gateway".to_owned(), Image::Other),
            (
                "mirror:5000/azure-api-management/gateway:2.11.1".to_owned(),
                Image::Version(2, 11),
            ),
            (String::new(), Image::Other),
        ] {
            assert_eq!(Image::parse(&image), parsed, "{image}");
            if !matches!(parsed, Image::Version(..)) {
                assert!(matches!(parsed.allows(Mode::AppSecret), Allowed::Unknown(_)));
            }
        }
    }
}
