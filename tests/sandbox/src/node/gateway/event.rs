//! The lines of a gateway's log.

use jiff::Timestamp;
use serde_json::json;

use crate::node::environment::Environment;

/// One line of the log.
pub(super) struct Event {
    level: &'static str,
    kind: &'static str,
    message: String,
    time: Timestamp,
}

impl Event {
    pub(super) fn info(kind: &'static str, message: &str) -> Self {
        Self {
            level: "Info",
            kind,
            message: message.to_owned(),
            time: Timestamp::now(),
        }
    }

    pub(super) fn error(kind: &'static str, message: &str) -> Self {
        Self {
            level: "Error",
            ..Self::info(kind, message)
        }
    }

    /// The event of a gateway without a usable credential.
    ///
    /// Its first sentence is the real gateway's (Azure/api-management-self-hosted-gateway issue 269); what follows
    /// there is not published, and `reason` is ours.
    pub(super) fn no_authentication(reason: &str) -> Self {
        let message = format!("No valid authentication was configured for the configuration API. {reason}");
        Self::error("GatewayStartup", &message)
    }

    /// The event of a gateway that got no configuration from `url`.
    pub(super) fn unavailable(url: &str, cause: &str) -> Self {
        Self::error("ConfigurationApiV2NotAvailable", &format!("uri: {url}, {cause}"))
    }

    fn line(&self, format: &str) -> Option<String> {
        let Self {
            level,
            kind,
            message,
            time,
        } = self;
        match format {
            "none" => None,
            "json" => {
                let time = format!("{time:.7}");
                let source = "ConfigurationApiClient";
                let line = json!({
                    "level": level, "timestamp": time, "eventType": kind, "message": message, "source": source,
                });
                Some(line.to_string())
            }
            _ => Some(format!("[{level}] {time:.7} [{kind}], message: {message}")),
        }
    }
}

/// The lines of `events` in the format that `telemetry.logs.std` names.
pub(super) fn lines(events: &[Event], environment: &Environment) -> Vec<String> {
    let format = environment
        .get("telemetry.logs.std")
        .map_or("text", String::as_str);
    events.iter().filter_map(|event| event.line(format)).collect()
}
