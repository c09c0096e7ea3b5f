//! The command line of another run, such as that of a CronJob.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{CloudRequest, Selection};

/// What stands in words and variables for a value that is not known: it comes
/// from a Secret, a ConfigMap or a shell. No name, number or duration contains
/// it, so a line that depends on it is not valid.
pub const UNKNOWN: &str = "\u{fffd}";

/// What a container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    pub program: Program,
    /// Without the program's own name.
    pub words: Vec<String>,
    pub variables: BTreeMap<String, String>,
}

/// A program that rotates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// This one, by its own name.
    Ours,
    /// This one, by the script's name.
    Link,
    /// The script itself.
    Script,
}

/// What a command line does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    Rotates(Box<RotateRequest>),
    /// It rotates nothing, for the reason given.
    RotatesNothing(String),
    /// It may rotate gateways; why that is not known.
    NotUnderstood(String),
}

/// The gateways that a command line of `rotate` selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotateRequest {
    /// The namespace; that of the pod when absent.
    pub namespace: Option<String>,
    pub selection: Selection,
    pub secret: Option<String>,
    /// The gateway's id in API Management.
    pub gateway: Option<String>,
    /// The API Management instance.
    pub service: Option<String>,
    pub resource_group: Option<String>,
    pub subscription: Option<String>,
    /// The cloud of a run over several gateways; `None` for a run that rotates
    /// one, which must be the only one that is meant.
    pub fleet: Option<CloudRequest>,
    /// The longest time before its expiry at which a token is rotated.
    pub window: SignedDuration,
}

/// Reads what a container runs as a command line of this program or of the
/// script.
pub type ReadCommandLine = fn(&Invocation) -> CommandLine;
