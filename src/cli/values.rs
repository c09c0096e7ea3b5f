//! The words by which values of the model are typed, with their help.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::model::entra::Mode;
use crate::model::request::{
    AzureForm, DryRun, LogFormat, ObjectFormat, OutputFormat, ProveMode, RotateFormat, SortBy, StatusFormat,
};
use crate::model::{AzureRole, KeyChoice};

macro_rules! typed_as {
    ($value:ty { $($variant:ident: $word:literal, $help:literal;)* }) => {
        impl ValueEnum for $value {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),*]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(match self {
                    $(Self::$variant => PossibleValue::new($word).help($help),)*
                })
            }
        }
    };
}

typed_as!(KeyChoice {
    Last: "last", "The slot used last, from the Secret's annotation; primary if it is not known";
    Rotate: "rotate", "The slot that was not used last; primary if neither is known";
    Primary: "primary", "The primary key";
    Secondary: "secondary", "The secondary key";
});

typed_as!(AzureRole {
    TokenOperator: "token-operator", "Mints tokens; for the identity that rotates";
    ConfigValidator: "config-validator",
        "Reads who has which role; for the managed identity of the instance, whose gateways sign in by Entra";
    ConfigReader: "config-reader", "Reads the configuration; for the Entra app of a gateway";
});

typed_as!(AzureForm {
    Json: "json", "An ARM template";
    Bicep: "bicep", "Bicep";
    Terraform: "terraform", "Terraform, for the provider azurerm";
    Az: "az", "A shell script for the Azure CLI";
});

typed_as!(DryRun {
    None: "none", "Make the changes";
    Client: "client", "Only read";
    Server: "server", "Read, and let the API server check the changes without storing them";
});

typed_as!(ProveMode {
    Logs: "logs", "The rollout completes, and no new pod logs that Azure refused the credential";
    Rollout: "rollout", "The rollout completes, by the status of the workload alone";
});

typed_as!(RotateFormat {
    Table: "table", "Lines for people";
    Wide: "wide", "A row with gateway, instance and outcome";
    Json: "json", "JSON";
    Yaml: "yaml", "YAML";
    Name: "name", "TYPE/NAME of each object that was changed";
    Gateways: "gateways", "With --dry-run: the file that --gateways reads";
});

typed_as!(OutputFormat {
    Table: "table", "Lines for people";
    Wide: "wide", "A row with gateway, instance and outcome";
    Json: "json", "JSON";
    Yaml: "yaml", "YAML";
    Name: "name", "TYPE/NAME of each object that was changed";
});

typed_as!(StatusFormat {
    Table: "table", "A table";
    Wide: "wide", "The table with more columns and the reason for each verdict";
    Json: "json", "JSON";
    Yaml: "yaml", "YAML";
    Name: "name", "TYPE/NAME of each workload";
    Prometheus: "prometheus", "Metrics for the textfile collector of Prometheus or a Pushgateway";
});

typed_as!(ObjectFormat {
    Table: "table", "One line per object: what was done to it";
    Json: "json", "The objects as JSON";
    Yaml: "yaml", "The objects as YAML";
    Name: "name", "TYPE/NAME of each object that was changed";
});

typed_as!(SortBy {
    Name: "name", "Namespace and name";
    ExpiresIn: "expires-in", "The soonest to expire first";
    Verdict: "verdict", "The worst first";
    RotatedAt: "rotated-at", "The longest ago first";
});

typed_as!(Mode {
    WorkloadIdentity: "workload-identity", "By a token of its ServiceAccount; nothing to renew";
    AppCertificate: "app-certificate", "By a certificate of an Entra app, in a Secret";
    AppSecret: "app-secret", "By a client secret of an Entra app, in a Secret";
});

typed_as!(LogFormat {
    Text: "text", "Lines for people";
    Json: "json", "One JSON object per line";
});
