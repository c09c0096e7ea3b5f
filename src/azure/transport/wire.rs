use std::borrow::Cow;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::Flaw;
use crate::model::{one_line, shortened};

/// The longest text of a server that is kept, in bytes. Azure's own are shorter,
/// those of a policy with all its ids as well.
const LONGEST_MESSAGE: usize = 4096;

/// The answer of `generateToken`. It has no Debug: the value is a secret.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    pub(crate) value: String,
}

/// The fields of an ARM resource that the product reads.
#[derive(Debug, Deserialize)]
pub(crate) struct Resource {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
}

/// A subscription, as `GET /subscriptions` lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subscription {
    pub(crate) subscription_id: String,
}

/// A page of a list. In the last page `nextLink` is missing, null or empty.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    pub(crate) value: Vec<T>,
    #[serde(default, alias = "@odata.nextLink")]
    pub(crate) next_link: Option<String>,
}

/// A page of the rows of a Resource Graph query, in the result format
/// `objectArray`. The last page has no token.
#[derive(Debug, Deserialize)]
pub(crate) struct Rows<T> {
    pub(crate) data: Vec<T>,
    #[serde(default, rename = "$skipToken")]
    pub(crate) skip_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope {
    error: EnvelopeError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnvelopeError {
    code: Option<String>,
    message: Option<String>,
    details: Option<Vec<Detail>>,
    #[serde(rename = "additionalInfo")]
    additional_info: Option<Vec<AdditionalInfo>>,
    #[serde(rename = "innerError", alias = "innererror")]
    inner_error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    code: Option<String>,
    target: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AdditionalInfo {
    info: Value,
}

impl AdditionalInfo {
    /// The assignment of the policy that denies a request, by its display name
    /// and its id.
    fn policy(&self) -> Option<(&str, &str)> {
        let text = |name| self.info.get(name).and_then(Value::as_str);
        let id = text("policyAssignmentId")?;
        Some((
            text("policyAssignmentDisplayName").unwrap_or("policy assignment"),
            id,
        ))
    }
}

/// Microsoft Graph nests the causes of an error, the root inside all others.
fn root_code(inner: &Value) -> Option<&str> {
    let deeper = inner.get("innerError").or_else(|| inner.get("innererror"));
    deeper.and_then(root_code).or_else(|| inner.get("code")?.as_str())
}

/// An error envelope, in the form that ARM and Microsoft Graph share.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ErrorText {
    pub(crate) code: String,
    /// The code of the innermost cause, if it is another one.
    pub(crate) reason: Option<String>,
    pub(crate) message: String,
}

/// Reads an error envelope. The message of a `ValidationError` or of a refused
/// query only announces its details, so they are added; Graph repeats its
/// message there. Newer refusals of a policy name it apart from the message.
pub(crate) fn envelope(body: &[u8]) -> Option<ErrorText> {
    let error = serde_json::from_slice::<Envelope>(body).ok()?.error;
    let code = word(error.code.as_deref()?)?;
    let root = error.inner_error.as_ref().and_then(root_code).and_then(word);
    let mut message = error.message.unwrap_or_else(|| "no message".to_owned());
    let details: Vec<Detail> = error.details.into_iter().flatten().collect();
    let reason = details.first().and_then(|detail| detail.code.as_deref());
    let reason = reason.and_then(word).or(root).filter(|reason| *reason != code);
    for Detail {
        target,
        message: text,
        ..
    } in details
    {
        let Some(text) = text.filter(|text| !message.contains(text.trim())) else {
            continue;
        };
        let target = target.map(|target| format!("{target}: ")).unwrap_or_default();
        message = format!("{} {target}{text}", message.trim_end());
    }
    for (name, id) in error
        .additional_info
        .iter()
        .flatten()
        .filter_map(AdditionalInfo::policy)
    {
        if !message.contains(id) {
            message = format!("{} ({name}: {id})", message.trim_end());
        }
    }
    Some(ErrorText {
        code,
        reason,
        message,
    })
}

/// Parses an answer. The error describes what came instead, and its flaw.
pub(crate) fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, (String, Flaw)> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = if error.is_data() {
            "JSON of an unexpected form".to_owned()
        } else {
            shape(headers, body)
        };
        (problem, flaw(headers, body, &error))
    })
}

/// Classifies a body that could not be parsed.
pub(crate) fn flaw(headers: &HeaderMap, body: &[u8], error: &serde_json::Error) -> Flaw {
    if error.is_eof() {
        Flaw::Truncated
    } else if is_html(headers, body) {
        Flaw::Html
    } else {
        Flaw::Form
    }
}

fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.contains("html")) || body.trim_ascii_start().starts_with(b"<")
}

/// Describes a body without quoting it.
pub(crate) fn shape(headers: &HeaderMap, body: &[u8]) -> String {
    let text = body.trim_ascii_start();
    if text.is_empty() {
        "an empty body".into()
    } else if is_html(headers, body) {
        "HTML instead of JSON: is there a proxy in between?".into()
    } else if text.starts_with(b"{") || text.starts_with(b"[") {
        match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
            Ok(_) => "JSON of an unexpected form".into(),
            Err(error) if error.is_eof() => "truncated JSON".into(),
            Err(_) => "broken JSON".into(),
        }
    } else {
        "text instead of JSON: is there a proxy in between?".into()
    }
}

/// A server's whole text as one line, without control characters.
pub(crate) fn line(text: &str) -> String {
    let words = one_line(text);
    let words: Vec<&str> = words.split_whitespace().collect();
    shortened(&words.join(" "), LONGEST_MESSAGE)
}

/// A code or an id from a server, reduced to the characters that such a word
/// has; `None` if no character remains.
pub(crate) fn word(text: &str) -> Option<String> {
    let word: String = text
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(80)
        .collect();
    (!word.is_empty()).then_some(word)
}

/// The action, the scope and the principal that the message of an
/// `AuthorizationFailed` names in quotes.
pub(crate) fn forbidden(message: &str) -> Option<(String, String, Option<String>)> {
    let after = |words: &str| {
        let (_, rest) = message.split_once(words)?;
        let (value, _) = rest.split_once('\'')?;
        Some(value.chars().filter(|c| !c.is_control()).collect::<String>())
    };
    let action = after("perform action '")?;
    let scope = after("over scope '")?;
    Some((action, scope, after("object id '")))
}

/// A string literal of the Kusto query language. Control characters are left
/// out: names in Azure contain none.
pub(crate) fn kql_literal(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars() {
        match c {
            '\\' | '\'' => literal.extend(['\\', c]),
            c if c.is_control() => {}
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

/// The fields of Entra's error answer that the product reads. They are parsed
/// here as well because `azure_identity` fails on a description with a JSON
/// escape and loses the text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EntraError {
    pub(crate) error: Option<String>,
    pub(crate) error_description: Option<String>,
    error_codes: Option<Vec<u64>>,
    pub(crate) correlation_id: Option<String>,
}

impl EntraError {
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let parsed: Self = serde_json::from_slice(body).ok()?;
        (parsed.error.is_some() || parsed.error_description.is_some()).then_some(parsed)
    }

    /// The first AADSTS code, from the list or from the text.
    pub(crate) fn code(&self) -> Option<String> {
        let listed = self.error_codes.iter().flatten().next();
        listed
            .map(|code| format!("AADSTS{code}"))
            .or_else(|| aadsts(self.error_description.as_deref()?))
    }

    /// The message without the ids at its end, which are for Azure's support.
    pub(crate) fn message(&self) -> String {
        let text = self
            .error_description
            .as_deref()
            .or(self.error.as_deref())
            .unwrap_or_default();
        let line = line(text);
        line.split(" Trace ID:").next().unwrap_or(&line).to_owned()
    }
}

/// The first `AADSTS` code in a text.
pub(crate) fn aadsts(text: &str) -> Option<String> {
    let digits: String = text
        .split_once("AADSTS")?
        .1
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    (!digits.is_empty()).then(|| format!("AADSTS{digits}"))
}

/// The part of Entra's token answer that is checked before `azure_identity`
/// reads it: the crate takes an answer without a token for an empty token.
#[derive(Deserialize)]
pub(crate) struct Grant<'a> {
    #[serde(borrow)]
    pub(crate) access_token: Cow<'a, str>,
}

#[cfg(test)]
mod tests;
