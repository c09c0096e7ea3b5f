//! Turns errors of the client into errors of the product.

use kube::client::AuthError;
use kube::core::Status;

use super::observe::{NoAnswer, Reason};
use crate::error::Error;
use crate::model::cleaned;

/// The client's reason for an answer that did not come from an API server.
const FOREIGN: &str = "Failed to parse error data";

/// An error with what failed (`doing`: "reading Secret shop/token"), why, and
/// the next step. Bodies and the texts of JSON errors are left out, since they
/// may quote a Secret.
pub fn explain(error: kube::Error, doing: &str) -> Error {
    if let Some(failed) = sign_in_error(&error) {
        let explained = Error::failed(format!("{doing}: {failed}"));
        return failed.hints().iter().fold(explained, Error::hint);
    }
    let Explained { why, hint } = explained(&error);
    let failed = Error::failed(format!("{doing}: {why}"));
    let failed = hint.into_iter().fold(failed, Error::hint);
    match error {
        kube::Error::Service(error) => match error.downcast::<NoAnswer>() {
            Ok(no_answer) => failed.caused_by(*no_answer),
            Err(_) => failed,
        },
        kube::Error::HyperError(error) => failed.caused_by(error),
        kube::Error::ReadEvents(error) => failed.caused_by(error),
        _ => failed,
    }
}

/// Why a request failed, in the words of [`explain`].
pub fn reason(error: &kube::Error) -> String {
    explained(error).why
}

struct Explained {
    why: String,
    hint: Option<String>,
}

impl Explained {
    fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            hint: None,
        }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// The error of our own sign-in, for which the client has no type.
fn sign_in_error(error: &kube::Error) -> Option<&Error> {
    match error {
        kube::Error::Auth(AuthError::AuthExecStart(error)) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn explained(error: &kube::Error) -> Explained {
    if let Some(failed) = sign_in_error(error) {
        return Explained::new(failed.to_string());
    }
    match error {
        kube::Error::Api(status) => refused_by_server(status),
        kube::Error::Service(error) => match error.downcast_ref() {
            Some(no_answer) => unanswered(no_answer),
            None => Explained::new(format!("the request failed: {}", root(error.as_ref()))),
        },
        kube::Error::Auth(error) => not_signed_in(error),
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
            Explained::new("the answer is not what a Kubernetes API server sends")
                .hint("check the server's address, and whether a proxy or a sign-in page answers instead")
        }
        kube::Error::HyperError(error) => broken(error),
        kube::Error::ReadEvents(error) => broken(error),
        error => Explained::new(error.to_string()),
    }
}

fn broken(error: &(dyn std::error::Error + 'static)) -> Explained {
    Explained::new(format!("the connection to the API server broke: {}", root(error)))
}

fn refused_by_server(status: &Status) -> Explained {
    let message = plain(&status.message);
    match status.code {
        401 => Explained::new(
            "the API server does not accept the credentials (401): they have expired or are wrong",
        )
        .hint(SIGN_IN),
        403 if status.message.contains("system:anonymous") => Explained::new(format!(
            "the API server received no valid credentials (403): {message}"
        ))
        .hint(SIGN_IN),
        429 => overloaded(status, &message),
        // The client reads other JSON as a Status without content.
        code if status.reason == FOREIGN || code == 0 => {
            let why = match code {
                404 => "the server has no such API (404): it is not a Kubernetes API server, or an old one"
                    .to_owned(),
                0 => "an error from a server that is not a Kubernetes API server".to_owned(),
                _ => format!("{code} from a server that is not a Kubernetes API server"),
            };
            Explained::new(why)
                .hint("check the server's address (https?), and whether a proxy answers instead")
        }
        403 => {
            let explained = Explained::new(format!("not allowed: {message}"));
            match can_i(&message) {
                Some(command) => explained.hint(format!("check the role with `{command}`")),
                None => explained,
            }
        }
        422 => Explained::new(invalid(status, &message)),
        code if message.is_empty() => Explained::new(format!("the API server answered {code}")),
        _ => Explained::new(message),
    }
}

/// The API server's priority and fairness refuses a request in plain text, so
/// only the message of an object is one.
fn overloaded(status: &Status, message: &str) -> Explained {
    let asked = status
        .details
        .as_ref()
        .map_or(0, |details| details.retry_after_seconds);
    let wait = match asked {
        0 => String::new(),
        1 => ", and asks to wait 1 second".to_owned(),
        seconds => format!(", and asks to wait {seconds} seconds"),
    };
    let message = match status.reason.as_str() {
        FOREIGN => String::new(),
        _ if message.is_empty() => String::new(),
        _ => format!(": {message}"),
    };
    Explained::new(format!("the API server is overloaded (429){wait}{message}"))
}

/// What is invalid, without the values: that of a field may be a whole pod spec with
/// a secret in a variable.
fn invalid(status: &Status, message: &str) -> String {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let causes: Vec<String> = causes
        .map(|cause| match cause.field.as_str() {
            // A policy has refused the object as a whole.
            "" => plain(&without_value(&cause.message)),
            field => plain(&format!("{field}: {}", without_value(&cause.message))),
        })
        .collect();
    match (causes.as_slice(), message.split_once(" is invalid")) {
        ([], _) => message.to_owned(),
        (_, Some((object, _))) => format!("{object} is invalid: {}", causes.join(", ")),
        (_, None) => causes.join(", "),
    }
}

/// A message of the API server's validation, `Invalid value: VALUE: WHY`, without
/// the value. A value that is neither a quoted text nor a word has no certain end.
fn without_value(message: &str) -> String {
    const QUOTING: [&str; 6] = [
        "Invalid value",
        "Unsupported value",
        "Duplicate value",
        "Not found",
        "Too long",
        "Too many",
    ];
    const IMMUTABLE: &str = ": field is immutable";
    let Some((what, rest)) = message
        .split_once(": ")
        .filter(|(what, _)| QUOTING.contains(what))
    else {
        return message.to_owned();
    };
    let is_word = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    };
    let why = match rest.strip_prefix('"') {
        Some(quoted) => after_quote(quoted),
        None => match rest.split_once(": ") {
            Some((value, why)) if is_word(value) => Some(why),
            _ if rest.ends_with(IMMUTABLE) => IMMUTABLE.strip_prefix(": "),
            _ => None,
        },
    };
    match why {
        Some(why) if !why.is_empty() => format!("{what}: {why}"),
        _ => what.to_owned(),
    }
}

/// What follows a text that Go has quoted, after its first quote.
fn after_quote(text: &str) -> Option<&str> {
    let mut escaped = false;
    let end = text.find(|character: char| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    })?;
    text.get(end + 1..)?.strip_prefix(": ")
}

const SIGN_IN: &str = "sign in again with the tool that wrote the kubeconfig (for AKS: az aks get-credentials, \
                       kubelogin), or check --token; `kubectl auth whoami` shows who you are";

/// The `kubectl auth can-i` command for a denial by RBAC: `User "u" cannot get
/// resource "secrets" in API group "apps" in the namespace "shop"`.
fn can_i(message: &str) -> Option<String> {
    let (_, denied) = message.split_once(" cannot ")?;
    let (verb, rest) = denied.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once('"')?;
    let quoted = |label: &str| {
        let (_, after) = rest.split_once(label)?;
        after
            .split_once('"')
            .map(|(value, _)| value)
            .filter(|value| !value.is_empty())
    };
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, format!(" --subresource={subresource}")),
        None => (resource, String::new()),
    };
    let group = quoted("in API group \"").map(|group| format!(".{group}"));
    let scope = match quoted("in the namespace \"") {
        Some(namespace) => format!(" -n {namespace}"),
        None => " -A".to_owned(),
    };
    let group = group.unwrap_or_default();
    Some(format!(
        "kubectl auth can-i {verb} {resource}{group}{subresource}{scope}"
    ))
}

fn unanswered(error: &NoAnswer) -> Explained {
    let explained = Explained::new(error.to_string());
    let hint = match &error.reason {
        Reason::Refused | Reason::NoSuchHost | Reason::TimedOut | Reason::Unanswered | Reason::Closed => {
            "check that the cluster runs, that this network reaches it (VPN, proxy, authorized address ranges), \
             and that the kubeconfig's context is the right one (`kubectl config current-context`)"
        }
        Reason::UnknownIssuer => {
            "pass the cluster's CA file with --certificate-authority, or fetch the kubeconfig again"
        }
        Reason::OtherName => "pass the name in the certificate with --tls-server-name",
        Reason::CertificateExpired => "renew the server's certificate, or set this machine's clock",
        Reason::ClientCertificate => SIGN_IN,
        Reason::NoTls => "check the server's address; for plain HTTP it must begin with http://",
        Reason::Proxy(..) => {
            "check the kubeconfig's proxy-url, or HTTPS_PROXY; servers in NO_PROXY are reached without a proxy"
        }
        Reason::Certificate(_) | Reason::Other(_) => return explained,
    };
    explained.hint(hint)
}

fn not_signed_in(error: &AuthError) -> Explained {
    let why = plain(&error.to_string());
    Explained::new(format!("cannot sign in to the cluster: {why}")).hint(SIGN_IN)
}

fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    plain(&cause.to_string())
}

fn plain(text: &str) -> String {
    cleaned(text.trim())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn api(code: u16, reason: &str, message: &str) -> Error {
        let status = Status::failure(message, reason).with_code(code);
        explain(kube::Error::Api(status.boxed()), "reading Secret shop/token")
    }

    #[test]
    fn a_denial_gives_the_can_i_command() {
        let error = api(
            403,
            "Forbidden",
            "deployments.apps \"gw\" is forbidden: User \"u\" cannot patch resource \"deployments\" \
             in API group \"apps\" in the namespace \"shop\"",
        );
        assert!(error.to_string().contains("User \"u\" cannot patch"));
        let expected = "check the role with `kubectl auth can-i patch deployments.apps -n shop`";
        assert_eq!(error.hints(), [expected]);
        let command =
            can_i("User \"u\" cannot get resource \"pods/log\" in API group \"\" at the cluster scope");
        assert_eq!(
            command.as_deref(),
            Some("kubectl auth can-i get pods --subresource=log -A")
        );
        assert!(api(403, "Forbidden", "exceeded quota: q").hints().is_empty());
        assert_eq!(
            api(403, "Forbidden", "User \"system:anonymous\" cannot").hints(),
            [SIGN_IN]
        );
    }

    #[test]
    fn answers_of_api_servers_and_others_have_different_errors() {
        assert!(
            api(401, "Unauthorized", "Unauthorized")
                .to_string()
                .contains("expired or are wrong")
        );
        assert!(
            api(404, FOREIGN, "404 page not found")
                .to_string()
                .contains("no such API")
        );
        let page = api(502, FOREIGN, "<html>s3cr3t</html>");
        assert!(
            page.to_string()
                .contains("502 from a server that is not a Kubernetes")
        );
        assert!(!format!("{page:?}").contains("s3cr3t"));
        assert!(
            api(0, "", "")
                .to_string()
                .contains("an error from a server that is not a Kubernetes")
        );
        assert_eq!(
            api(404, "NotFound", "secrets \"token\"\n\u{7}not found").to_string(),
            "reading Secret shop/token: secrets \"token\"  not found"
        );
    }

    #[test]
    fn an_invalid_value_is_not_quoted() {
        for (message, expected) in [
            (
                r#"Invalid value: "a\"hush": must be a name"#,
                "Invalid value: must be a name",
            ),
            (r#"Duplicate value: "hush""#, "Duplicate value"),
            (r#"Invalid value: "hush: hush""#, "Invalid value"),
            (
                "Invalid value: 70000: must be a port",
                "Invalid value: must be a port",
            ),
            (
                r#"Invalid value: core.PodSpec{Env:[]core.EnvVar{{Name:"P", Value:"hush: x"}}}: field is immutable"#,
                "Invalid value: field is immutable",
            ),
            (r#"Invalid value: {"env":{"value":"}: hush"}}"#, "Invalid value"),
            ("Required value: it has no name", "Required value: it has no name"),
            ("Forbidden: exceeds the limit", "Forbidden: exceeds the limit"),
        ] {
            assert_eq!(without_value(message), expected);
        }
        let status = json!({"status": "Failure", "code": 422, "reason": "Invalid",
            "message": "Deployment.apps \"gw\" is invalid: spec.x: Invalid value: \"hush\": wrong, spec.y: Required value",
            "details": {"causes": [
                {"field": "spec.x", "message": "Invalid value: \"hush\": wrong"},
                {"field": "spec.y", "message": "Required value"}]}});
        let status: Status = serde_json::from_value(status).unwrap();
        assert_eq!(
            explain(kube::Error::Api(status.boxed()), "restarting").to_string(),
            "restarting: Deployment.apps \"gw\" is invalid: spec.x: Invalid value: wrong, spec.y: Required value"
        );
    }

    #[test]
    fn a_json_error_is_not_quoted() {
        let error = serde_json::from_str::<u8>("\"s3cr3t\"").unwrap_err();
        assert!(error.to_string().contains("s3cr3t"));
        let error = explain(kube::Error::SerdeError(error), "reading");
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }
}
