use crate::cluster::pod_spec::Import;
use crate::model::Claims;
use crate::model::setting::{self, AUTH, AUTH_KEY};

/// Where the credential comes from, by the references in the pod spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CredentialSource {
    SecretKey {
        secret: String,
        key: String,
    },
    /// A key of one of these Secrets, which `envFrom` imports whole.
    EnvFrom(Vec<EnvFromSecret>),
    /// The token itself is in the pod spec or in a ConfigMap.
    Inline {
        /// Where, in words.
        place: String,
        claims: Claims,
    },
    /// The gateway signs in to Entra.
    Entra {
        /// The value of `config.service.auth`.
        mode: String,
        credential: EntraCredential,
    },
    #[default]
    Missing,
}

impl CredentialSource {
    /// The only Secret that it can be in.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::SecretKey { secret, .. } => Some(secret),
            Self::EnvFrom(imported) => match imported.as_slice() {
                [only] => Some(&only.name),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What a gateway signs in to Entra with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntraCredential {
    /// A client secret of its app.
    Secret,
    /// A certificate of its app.
    Certificate,
    /// A token of the cluster that a federated credential trusts.
    Federated,
    /// Settings that could not be read, or are missing.
    Unknown,
}

/// A Secret imported by `envFrom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFromSecret {
    pub name: String,
    /// Put before each of its keys.
    pub prefix: String,
    /// Whether pods start without it.
    pub optional: bool,
}

impl EnvFromSecret {
    /// The Secret that is imported; `None` if it is a ConfigMap.
    pub(super) fn of(import: &Import) -> Option<Self> {
        let reference = import.secret_ref.as_ref()?;
        Some(Self {
            name: reference.name.clone(),
            prefix: import.prefix.clone(),
            optional: reference.optional == Some(true),
        })
    }

    /// The keys that a gateway would take its token from, the likelier first;
    /// none if the prefix excludes them.
    pub fn credential_keys(&self) -> impl Iterator<Item = String> + '_ {
        [AUTH_KEY, AUTH]
            .into_iter()
            .filter_map(|name| name.strip_prefix(&self.prefix).map(str::to_owned))
    }

    /// The keys that would be settings of a gateway, those of the token first.
    pub fn setting_keys(&self) -> impl Iterator<Item = String> + '_ {
        let others = setting::SHOWING
            .into_iter()
            .filter(|name| ![AUTH_KEY, AUTH].contains(name));
        let others = others.filter_map(|name| name.strip_prefix(&self.prefix).map(str::to_owned));
        self.credential_keys().chain(others)
    }
}
