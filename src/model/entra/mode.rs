use serde::Serialize;

use super::{PEM_KEY, PFX_KEY, SECRET_KEY};
use crate::model::Auth;
use crate::model::setting::{BY_APP, BY_IDENTITY};

/// How a gateway signs in by Entra.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// By a token of its `ServiceAccount`, which a federated credential trusts.
    WorkloadIdentity,
    /// By a certificate of an app.
    AppCertificate,
    /// By a client secret of an app.
    AppSecret,
}

impl Mode {
    /// The best first.
    pub const ALL: [Self; 3] = [Self::WorkloadIdentity, Self::AppCertificate, Self::AppSecret];

    /// The value of `--mode`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WorkloadIdentity => "workload-identity",
            Self::AppCertificate => "app-certificate",
            Self::AppSecret => "app-secret",
        }
    }

    /// The value of `config.service.auth`.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::WorkloadIdentity => BY_IDENTITY,
            Self::AppCertificate | Self::AppSecret => BY_APP,
        }
    }

    /// By the value of `--mode`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }

    /// The keys of the Secret that hold the credential.
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::AppSecret => &[SECRET_KEY],
            Self::AppCertificate => &[PEM_KEY, PFX_KEY],
            Self::WorkloadIdentity => &[],
        }
    }

    /// In words, with an article: what an app has for it.
    pub const fn credential(self) -> &'static str {
        match self {
            Self::AppSecret => "a client secret",
            Self::AppCertificate => "a certificate",
            Self::WorkloadIdentity => "a federated credential",
        }
    }

    /// Whether the credential is in a Secret.
    pub const fn is_stored(self) -> bool {
        !matches!(self, Self::WorkloadIdentity)
    }
}

/// How a workload signs in now, by its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignsIn {
    /// It has no credential yet.
    Not,
    ByToken,
    By(Mode),
}

impl SignsIn {
    /// By what the settings show; `None` if they are unreadable.
    pub fn of(auth: Auth, has_auth_setting: bool) -> Option<Self> {
        Some(match auth {
            Auth::Token => Self::ByToken,
            Auth::AppSecret => Self::By(Mode::AppSecret),
            Auth::Certificate => Self::By(Mode::AppCertificate),
            Auth::WorkloadIdentity => Self::By(Mode::WorkloadIdentity),
            Auth::Unknown if has_auth_setting => return None,
            Auth::Unknown => Self::Not,
        })
    }

    /// In words, after "signs in".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Not => "by nothing yet",
            Self::ByToken => "by a gateway token",
            Self::By(Mode::WorkloadIdentity) => "by workload identity",
            Self::By(Mode::AppCertificate) => "by a certificate of an Entra app",
            Self::By(Mode::AppSecret) => "by a client secret of an Entra app",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_unreadable_are_not_settings_that_are_absent() {
        assert_eq!(SignsIn::of(Auth::Unknown, true), None);
        assert_eq!(SignsIn::of(Auth::Unknown, false), Some(SignsIn::Not));
        assert_eq!(
            SignsIn::of(Auth::Certificate, true),
            Some(SignsIn::By(Mode::AppCertificate))
        );
    }
}
