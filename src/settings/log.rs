use clap::ValueEnum;

use crate::cli::{GlobalArgs, variable_of};
use crate::environment::Environment;
use crate::model::request::LogFormat;
use crate::output::OutputSettings;

/// The settings of the one writer, from the flags of every command.
pub fn output_settings(args: &GlobalArgs) -> OutputSettings {
    OutputSettings {
        format: args.log_format.unwrap_or_default(),
        color: match args.color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        },
        verbose: args.verbose,
    }
}

/// How the log is written where no flag says it: by the variable, else for
/// machines in a pod, whose log is collected, unless a person sits at its
/// terminal. The users of the script read its text wherever it runs.
pub fn log_format(environment: &Environment, as_script: bool, at_terminal: bool) -> LogFormat {
    let variable = environment.get(&variable_of("log-format"));
    if let Some(told) = variable.and_then(|word| LogFormat::from_str(word, false).ok()) {
        told
    } else if environment.in_pod() && !as_script && !at_terminal {
        LogFormat::Json
    } else {
        LogFormat::Text
    }
}

/// Whether the script's variable asks for a debug log.
pub fn script_debug(environment: &Environment) -> bool {
    environment
        .get("DEBUG")
        .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_logs_for_machines_unless_somebody_says_otherwise() {
        use LogFormat::{Json, Text};
        let pod = Environment::from([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        assert_eq!(log_format(&Environment::default(), false, false), Text);
        assert_eq!(log_format(&pod, false, false), Json);
        assert_eq!(log_format(&pod, false, true), Text);
        assert_eq!(log_format(&pod, true, false), Text);
        let told = |word| {
            Environment::from([
                ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
                ("KUBECTL_APIM_LOG_FORMAT", word),
            ])
        };
        assert_eq!(log_format(&told("text"), false, false), Text);
        assert_eq!(log_format(&told("json"), true, true), Json);
        assert_eq!(log_format(&told("nonsense"), false, false), Json);
    }
}
