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

/// The format of the log if no flag sets it: that of the variable, else JSON in
/// a pod without a terminal, whose log is collected. The script always wrote
/// text.
pub fn log_format(environment: &Environment, as_script: bool, at_terminal: bool) -> LogFormat {
    let variable = environment.get(&variable_of("log-format"));
    if let Some(given) = variable.and_then(|word| LogFormat::from_str(word, false).ok()) {
        given
    } else if environment.in_pod() && !as_script && !at_terminal {
        LogFormat::Json
    } else {
        LogFormat::Text
    }
}

/// Whether the script's variable turns on the debug log.
pub fn script_debug(environment: &Environment) -> bool {
    environment
        .get("DEBUG")
        .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_logs_json_unless_text_is_set() {
        use LogFormat::{Json, Text};
        let pod = Environment::from([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        assert_eq!(log_format(&Environment::default(), false, false), Text);
        assert_eq!(log_format(&pod, false, false), Json);
        assert_eq!(log_format(&pod, false, true), Text);
        assert_eq!(log_format(&pod, true, false), Text);
        let set = |word| {
            Environment::from([
                ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
                ("KUBECTL_APIM_LOG_FORMAT", word),
            ])
        };
        assert_eq!(log_format(&set("text"), false, false), Text);
        assert_eq!(log_format(&set("json"), true, true), Json);
        assert_eq!(log_format(&set("nonsense"), false, false), Json);
    }
}
