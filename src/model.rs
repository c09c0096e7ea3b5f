//! Plain data types of the product, without clients, clock or environment.

pub mod access;
mod account;
pub mod annotation;
mod api_version;
mod arm_id;
mod azure_role;
mod cloud;
mod credential;
pub mod directory;
mod duration;
mod endpoint;
pub mod entra;
mod event;
pub mod expansion;
mod fact;
mod gateway;
mod key_slot;
mod managed_identity;
mod marks;
mod object;
mod owner;
mod printed_command;
mod program;
mod progress;
mod put_back;
pub mod quote;
mod references;
pub mod request;
mod rotation_ids;
mod secret_change;
pub mod setting;
mod sign_in;
mod snapshot;
mod text;
mod token;
mod workload;

pub use account::Account;
pub use api_version::parse_api_version;
pub use arm_id::{GatewayId, ServiceId};
pub use azure_role::{
    AzureRole, CustomRole, INSTANCE_FINDER, RoleLevel, assignment_id, grant_minting, stable_uuid,
};
pub use cloud::{Cloud, CloudName};
pub use credential::{AppMarks, Credential, Recorded, Validity};
pub use duration::{human_duration, in_short, in_words, parse_duration};
pub use endpoint::Endpoint;
pub use event::{Event, EventReason, Subject};
pub use fact::{Fact, Unavailable, known};
pub use gateway::{Auth, AzureFacts, CronJobFacts, Gap, GatewayFacts, JobResult, Presented, StalePods};
pub use key_slot::{KeyChoice, KeySlot};
pub use managed_identity::ManagedIdentityId;
pub use marks::{TemplateMarks, WorkloadMarks};
pub use object::{Object, ObjectKind, Ownership};
pub use owner::Owner;
pub use printed_command::PrintedCommand;
pub use program::{DEFAULT_NAME, PROGRAM, SCRIPT};
pub use progress::{LogRead, Mark, PodFacts, PodHealth, Progress};
pub use put_back::{PutBack, TemplateBefore};
pub use references::{Use, references};
pub use rotation_ids::RotationIds;
pub use secret_change::{Annotations, Minted, SecretChange, SecretData};
pub use sign_in::{AppSettings, EntraInAzure, EntraSignIn, Federation, InstanceAccess, Lacking};
pub use snapshot::{
    Blocked, Replacement, Rollout, SecretFacts, SecretMarks, SecretVersion, Snapshot, Source, Sourced,
    WorkloadFacts, WorkloadVersion,
};
pub use text::{cleaned, counted, is_azure_name, one_line, shortened};
pub use token::{Claims, MAX_LIFE, Token, TokenError};
pub use workload::{WorkloadKind, WorkloadRef};
