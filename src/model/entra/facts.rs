//! What is known before a set-up. Each part is a fact or the reason why it is not
//! available, so that the rest of the plan can be made without it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::model::access::{InstanceIdentity, RoleAssignment, RoleDefinition};
use crate::model::directory::{
    AppCredential, AppRole, Application, FederatedCredential, Fingerprint, Owner, ServicePrincipal,
};
use crate::model::entra::{
    Mode, OwnPod, OwnVariables, SECRET_KEY, SettingValue, SignsIn, TemplateSettings, default_secret,
};
use crate::model::{
    CloudName, Fact, GatewayId, ManagedIdentityId, Replacement, RotationIds, TemplateMarks, WorkloadRef,
    known, setting,
};

/// All facts about one gateway that a set-up depends on. They hold no secret.
#[derive(Clone, Debug)]
pub struct EntraFacts {
    pub gateway: GatewayId,
    /// `None` for a custom cloud.
    pub cloud: Option<CloudName>,
    /// The Entra authority of the cloud, without a slash at its end.
    pub authority: String,
    /// The tenant in which the run has signed in.
    pub tenant: Uuid,
    /// The object id of the one who has signed in.
    pub caller: Fact<Uuid>,
    pub instance: Fact<InstanceFacts>,
    /// `None` if the gateway does not exist in API Management.
    pub resource: Fact<Option<GatewayResource>>,
    pub validator: RoleFacts,
    pub reader: RoleFacts,
    /// The client id of `--app`, which is known even if the app cannot be read.
    pub given: Option<Uuid>,
    /// The app or the identity that was asked for; `None` if there is none.
    pub app: Fact<Option<AppFacts>>,
    /// The client ids that the Secret or the `ServiceAccount` names, and that certainly
    /// nothing in the tenant has now.
    pub gone: BTreeMap<Uuid, Absence>,
    /// The apps with the display name of `--create-app` that are not the one it
    /// means.
    pub namesakes: Fact<Vec<Application>>,
    /// What the tenant's policies say of client secrets.
    pub policy: Fact<SecretPolicy>,
    pub rights: CallerRights,
    /// The name of a lock that lets nothing be written to the instance.
    pub lock: Fact<Option<String>>,
    /// The issuer of the cluster's tokens.
    pub issuer: Fact<IssuerFacts>,
    /// What the webhook would inject into a pod; `None` if it changes nothing.
    pub webhook: Fact<Option<Injected>>,
    pub cluster: ClusterFacts,
}

impl EntraFacts {
    /// The id that the gateway signs in with, if it is known.
    pub fn client_id(&self) -> Option<Uuid> {
        let app = known(&self.app);
        app.map(AppFacts::client_id).or(self.given)
    }

    /// The client id of an app that cannot be read: only a sign-in shows what it has.
    pub fn unread_app(&self) -> Option<Uuid> {
        self.given.filter(|_| self.app.is_err())
    }
}

/// What became of an app that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It was deleted, and can be restored by a POST to this address of Microsoft Graph.
    Restorable(String),
    /// It cannot be restored.
    Final,
    /// Whether it can be restored is not known.
    NotFound,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceFacts {
    /// The pricing tier.
    pub tier: String,
    pub identity: InstanceIdentity,
    /// Whether an earlier change is not done yet.
    pub updating: bool,
}

/// A gateway in API Management.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayResource {
    /// As ARM has it: the gateway itself may tell capitals from small letters.
    pub name: String,
    /// How many APIs are assigned to it.
    pub apis: Fact<usize>,
}

/// A role and its assignments.
#[derive(Clone, Debug)]
pub struct RoleFacts {
    /// Every role with a name or with permissions like the wanted one, and those of
    /// the one who needs it that grant at least as much.
    pub definitions: Fact<Vec<RoleDefinition>>,
    /// The assignments of these roles at the wanted scope, inherited ones among them.
    pub assignments: Fact<Vec<RoleAssignment>>,
    /// How many assignments those that may be changed have in the subscription.
    pub in_use: BTreeMap<Uuid, Fact<usize>>,
}

/// What signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppKind {
    Application(Application),
    /// A user-assigned managed identity, with its client id.
    Identity(ManagedIdentityId, Uuid),
}

/// An app or an identity, and who else may use it for what.
#[derive(Clone, Debug)]
pub struct AppFacts {
    pub kind: AppKind,
    /// `None` if it has none yet.
    pub service_principal: Fact<Option<ServicePrincipal>>,
    pub owners: Fact<Vec<Owner>>,
    pub federated: Fact<Vec<FederatedCredential>>,
    /// Its roles in other apps, such as Microsoft Graph.
    pub app_roles: Fact<Vec<AppRole>>,
    /// All its roles in Azure, with the reader's among them.
    pub assignments: Fact<Vec<RoleAssignment>>,
}

impl AppFacts {
    pub fn client_id(&self) -> Uuid {
        match &self.kind {
            AppKind::Application(app) => app.app_id,
            AppKind::Identity(_, client_id) => *client_id,
        }
    }

    /// Client secrets or certificates, by how a gateway signs in.
    pub fn credentials_of(&self, mode: Mode) -> &[AppCredential] {
        match (&self.kind, mode) {
            (AppKind::Application(app), Mode::AppSecret) => &app.secrets,
            (AppKind::Application(app), Mode::AppCertificate) => &app.certificates,
            _ => &[],
        }
    }

    /// Client secrets and certificates.
    pub fn credentials(&self) -> impl Iterator<Item = &AppCredential> {
        let (secrets, certificates): (&[AppCredential], &[AppCredential]) = match &self.kind {
            AppKind::Application(app) => (&app.secrets, &app.certificates),
            AppKind::Identity(..) => (&[], &[]),
        };
        secrets.iter().chain(certificates)
    }
}

/// What a tenant allows for client secrets (learn.microsoft.com, "Microsoft Entra
/// application management policies").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretPolicy {
    pub forbids_secrets: bool,
    pub longest_secret: Option<SignedDuration>,
    pub longest_certificate: Option<SignedDuration>,
}

/// What the one who has signed in may do.
#[derive(Clone, Debug)]
pub struct CallerRights {
    /// Define roles in the subscription.
    pub define_roles: Fact<bool>,
    pub assign_in_group: Fact<bool>,
    pub assign_at_instance: Fact<bool>,
    pub change_instance: Fact<bool>,
    pub create_gateway: Fact<bool>,
    pub register_apps: Fact<bool>,
    /// Change the app or the identity that there is.
    pub change_app: Fact<bool>,
    pub write_service_account: Fact<bool>,
    pub write_secret: Fact<bool>,
    pub change_workload: Fact<bool>,
}

/// The issuer of the cluster's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerFacts {
    /// As the API server's own document has it, to the letter.
    pub name: String,
    /// What the document at its public place calls the issuer, read without login.
    pub published: Fact<String>,
    /// The types of its published keys, such as `RSA`.
    pub key_types: Fact<Vec<String>>,
}

/// What the webhook of Azure Workload Identity would set in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// The path of the token.
    pub token_file: String,
    /// For whom the token is, if the pod shows it.
    pub audience: Option<String>,
    pub tenant: Option<String>,
    pub authority: Option<String>,
}

/// The cluster's side.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    /// Identifies the namespace of one cluster: its uid.
    pub place: Fact<String>,
    pub namespace: String,
    /// `None` if only the Azure half is set up.
    pub workload: Option<WorkloadSide>,
    /// The one that the pods use or will use.
    pub service_account: Fact<Option<ServiceAccountFacts>>,
    /// The one for the credential.
    pub secret: Fact<Option<StoredFacts>>,
    /// The pods that run.
    pub pods: Fact<Vec<RunningPod>>,
    /// What those of the workload have.
    pub own_pods: Fact<Vec<OwnPod>>,
}

/// A pod, and what shows which credential it was started with. Also the pod template of a
/// workload, whose pods will be of the same kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningPod {
    /// With its kind, as `pod/gw-0`.
    pub name: String,
    /// Whether it is one of the workload.
    pub is_own: bool,
    pub rotation_ids: RotationIds,
    pub service_account: String,
    /// The Secrets that it refers to.
    pub secrets: Vec<String>,
    /// Whether it may have read its Secrets again after it was created: one is mounted, or a
    /// container was restarted in place.
    pub reads_again: bool,
    /// By the API server's clock.
    pub created: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct WorkloadSide {
    pub workload: WorkloadRef,
    /// The gateway's container.
    pub container: String,
    pub image: String,
    pub signs_in: Fact<SignsIn>,
    /// The instance that its endpoint names.
    pub service: Option<String>,
    /// Those of its endpoint and `gateway.name` that are set to what is not known.
    pub hidden: Vec<&'static str>,
    pub template: TemplateSettings,
    /// Shows whether the pod template has changed in any field since it was read.
    pub fingerprint: u64,
    /// Helm, Argo CD, Flux, Azure Arc or a controller that would undo a change.
    pub owner: Option<String>,
    pub clear_secret: Option<ClearSecret>,
    /// The volume of a Secret that is mounted where a certificate belongs.
    pub certificate_volume: Option<CertificateVolume>,
    /// The volume that is mounted there, if it is not of a Secret.
    pub other_volume: Option<String>,
    /// What its container sets of a workload identity.
    pub own_variables: OwnVariables,
    /// The annotation of its pod template by which the webhook leaves its container out.
    pub skipped_by: Option<&'static str>,
    /// The id of the set-up or rotation that last restarted its pods, if the proof by
    /// them is still owed.
    pub unproved: Option<String>,
    /// The annotations of its pod template by which pods are replaced.
    pub marks: TemplateMarks,
    /// When it was created, by the API server's clock.
    pub created: Option<Timestamp>,
    /// Whether its deletion was requested.
    pub is_deleted: bool,
    /// Why its controller has not replaced all pods yet that it replaces by itself.
    pub still_replaces: Option<String>,
    /// Whether its rollout is paused.
    pub paused: bool,
    pub replacement: Replacement,
    /// Whether its controller replaces a pod only once that is ready.
    pub ordered: bool,
    /// The ordinal below which pods keep their template, even if they are deleted.
    pub partition: i32,
}

impl WorkloadSide {
    /// The Secret for the credential of a mode: the one that the pods sign in with as this
    /// app, or else one that is named after the workload.
    pub fn secret(&self, mode: Mode, client_id: Option<Uuid>) -> String {
        let is_of_app = match self.template.settings.get(setting::APP_CLIENT) {
            Some(SettingValue::Text(there)) => {
                client_id.is_some() && Uuid::try_parse(there).ok() == client_id
            }
            Some(_) => false,
            None => true,
        };
        let in_use = self.secret_in_use(mode).filter(|_| is_of_app);
        in_use.map_or_else(|| default_secret(&self.workload.name), str::to_owned)
    }

    /// The app that the pod template names, if it is known.
    pub fn names_app(&self) -> Option<Uuid> {
        match self.template.settings.get(setting::APP_CLIENT) {
            Some(SettingValue::Text(there)) => Uuid::try_parse(there).ok(),
            _ => None,
        }
    }

    /// Whether a setting of the pod template, or the mount of a certificate, refers to a Secret.
    pub fn refers_to(&self, secret: &str) -> bool {
        let mut settings = self.template.settings.values();
        let by_setting =
            settings.any(|value| matches!(value, SettingValue::Secret { name, .. } if name == secret));
        let mount = self.template.mount.as_ref();
        by_setting || mount.is_some_and(|mount| mount.secret == secret)
    }

    /// The Secret that the pods sign in with, if they do so by this mode.
    fn secret_in_use(&self, mode: Mode) -> Option<&str> {
        if self.signs_in != Ok(SignsIn::By(mode)) {
            return None;
        }
        match (
            mode,
            self.template.settings.get(setting::APP_SECRET),
            &self.template.mount,
        ) {
            (Mode::AppSecret, Some(SettingValue::Secret { name, key }), _) if key == SECRET_KEY => Some(name),
            (Mode::AppCertificate, _, Some(mount)) => Some(&mount.secret),
            _ => None,
        }
    }
}

/// A volume of a Secret that a container mounts as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateVolume {
    pub name: String,
    /// The path of the mount, as the pod template has it.
    pub path: String,
}

/// Where a client secret is in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClearSecret {
    ConfigMap {
        name: String,
        key: String,
        immutable: bool,
    },
    /// In a variable of the container.
    Workload,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceAccountFacts {
    pub annotations: BTreeMap<String, String>,
    /// When a set-up wrote these annotations last, if one did, by the API server's clock.
    pub written: Option<Timestamp>,
    pub owner: Option<String>,
}

/// A Secret with a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredFacts {
    /// The keys with a value.
    pub keys: Vec<String>,
    /// The id in Entra of its credential, by our annotation.
    pub credential: Option<Uuid>,
    pub expires: Option<Timestamp>,
    /// Its kind, by our annotation.
    pub kind: Option<Mode>,
    /// The app that it is of, by our annotation.
    pub client_id: Option<Uuid>,
    /// The gateway that it was made for, by our annotation.
    pub gateway: Option<GatewayId>,
    /// When its credential was written, if our annotations describe it, by the API server's
    /// clock.
    pub written: Option<Timestamp>,
    /// When the Secret itself was created, by the same clock.
    pub created: Option<Timestamp>,
    /// The credentials that our annotations do not describe.
    pub unrecorded: Vec<Unrecorded>,
    pub owner: Option<String>,
    pub immutable: bool,
}

impl StoredFacts {
    /// Whether every key of a kind of credential has a value.
    pub fn has_keys(&self, mode: Mode) -> bool {
        mode.keys().iter().all(|key| self.keys.iter().any(|it| it == key))
    }

    /// Whether a value would be overwritten by a kind of credential.
    pub fn has_any_key(&self, mode: Mode) -> bool {
        self.keys.iter().any(|key| mode.keys().contains(&key.as_str()))
    }

    /// Whether it has a credential of another kind.
    pub fn has_other_keys(&self, mode: Mode) -> bool {
        let mut others = Mode::ALL.iter().filter(|it| **it != mode);
        others.any(|it| it.is_stored() && self.has_keys(*it))
    }
}

/// A credential that somebody else has put into a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrecorded {
    pub kind: Mode,
    pub fingerprint: Fingerprint,
    /// When it was written, by the API server's clock.
    pub written: Timestamp,
}
