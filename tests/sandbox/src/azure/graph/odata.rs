//! The query options of `OData`: `$filter`, `$select`, `$top` and pages.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::exchange::literal;
use super::super::reply::Reply;
use super::failure::Failure;
use super::{Result, Session};

const PAGE: usize = 100;
const LARGEST_PAGE: usize = 999;

/// How many values `in` may have.
const MOST_VALUES: usize = 15;

/// The query options that the emulator understands.
const OPTIONS: [&str; 6] = ["$filter", "$select", "$top", "$count", "$skiptoken", "$expand"];

/// The only collection that a list can be expanded by, that of applications.
pub(super) const EXPANDED: &str = "federatedIdentityCredentials";

/// A condition of a filter.
enum Condition {
    StartsWith(String, String),
    /// A property that is one of these values; for a collection, one of its values is.
    In(String, Vec<String>),
}

/// Answers one page of a collection. Every object has an `id`, in whose order they come.
pub(super) fn page(session: &Session<'_>, kind: &str, all: Vec<Value>) -> Result<Reply> {
    let call = session.call;
    if let Some((name, _)) = call
        .query
        .iter()
        .find(|(name, _)| name.starts_with('$') && !OPTIONS.contains(&name.as_str()))
    {
        return Err(Failure::coded(
            "Request_UnsupportedQuery",
            &format!("The emulator does not support the query option '{name}'."),
        ));
    }
    if let Some(expanded) = call
        .parameter("$expand")
        .filter(|it| kind != "applications" || *it != EXPANDED)
    {
        return Err(Failure::coded(
            "Request_UnsupportedQuery",
            &format!("The emulator does not support to expand '{expanded}'."),
        ));
    }
    let top = match call.parameter("$top") {
        None => PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|top| (1..=LARGEST_PAGE).contains(top))
            .ok_or_else(|| {
                Failure::bad_request(&format!(
                    "Invalid page size specified: '{text}'. Must be between 1 and {LARGEST_PAGE} inclusive."
                ))
            })?,
    };
    let conditions = conditions(call.parameter("$filter").unwrap_or_default())?;
    let fitting: Vec<Value> = all
        .into_iter()
        .filter(|object| conditions.iter().all(|condition| condition.fits(object)))
        .collect();
    let count = fitting.len();
    let after = call.parameter("$skiptoken").unwrap_or_default();
    let mut rest = fitting
        .into_iter()
        .filter(|object| object["id"].as_str().unwrap_or_default() > after)
        .peekable();
    let mut last = String::new();
    let mut value = Vec::new();
    for object in rest.by_ref().take(top) {
        object["id"].as_str().unwrap_or_default().clone_into(&mut last);
        value.push(select(session, object)?);
    }
    let mut body = json!({"@odata.context": format!("{}/v1.0/$metadata#{kind}", call.base), "value": value});
    if call.parameter("$count") == Some("true") {
        body["@odata.count"] = count.into();
    }
    if rest.peek().is_some() {
        body["@odata.nextLink"] = call.url_with("$skiptoken", &last).into();
    }
    Ok(Reply::json(StatusCode::OK, &body))
}

/// Answers with one object.
pub(super) fn entity(session: &Session<'_>, status: StatusCode, kind: &str, object: Value) -> Result<Reply> {
    let mut body = select(session, object)?;
    let context = format!("{}/v1.0/$metadata#{kind}/$entity", session.call.base);
    body["@odata.context"] = context.into();
    Ok(Reply::json(status, &body))
}

/// The properties that `$select` names, or all.
fn select(session: &Session<'_>, object: Value) -> Result<Value> {
    let Some(selected) = session.call.parameter("$select") else {
        return Ok(object);
    };
    let mut kept = serde_json::Map::new();
    for name in selected.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let value = object.get(name).ok_or_else(|| {
            Failure::coded(
                "BadRequest",
                &format!("Could not find a property named '{name}' on the type of the resource."),
            )
        })?;
        kept.insert(name.to_owned(), value.clone());
    }
    if let Some(expanded) = object
        .get(EXPANDED)
        .filter(|_| session.call.parameter("$expand").is_some())
    {
        kept.insert(EXPANDED.to_owned(), expanded.clone());
    }
    if let Some(kind) = object.get("@odata.type") {
        kept.insert("@odata.type".to_owned(), kind.clone());
    }
    Ok(Value::Object(kept))
}

impl Condition {
    fn fits(&self, object: &Value) -> bool {
        match self {
            Condition::StartsWith(name, prefix) => {
                let value = object[name].as_str().unwrap_or_default().to_lowercase();
                value.starts_with(&prefix.to_lowercase())
            }
            Condition::In(name, values) => match &object[name] {
                Value::Array(own) => own.iter().any(|own| is_one_of(own, values)),
                own => is_one_of(own, values),
            },
        }
    }
}

fn is_one_of(own: &Value, values: &[String]) -> bool {
    let own = match own {
        Value::String(text) => text.to_lowercase(),
        Value::Bool(is_set) => is_set.to_string(),
        _ => return false,
    };
    values.iter().any(|value| value.to_lowercase() == own)
}

fn conditions(filter: &str) -> Result<Vec<Condition>> {
    let mut rest = filter.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (condition, tail) = condition(rest).ok_or_else(|| invalid(filter))?;
        if let Condition::In(_, values) = &condition
            && values.len() > MOST_VALUES
        {
            return Err(Failure::coded(
                "Request_UnsupportedQuery",
                &format!(
                    "Too many child clauses specified in search filter expression containing 'OR' operators: {}. Max \
                     allowed: {MOST_VALUES}.",
                    values.len()
                ),
            ));
        }
        found.push(condition);
        rest = tail.trim_start();
        if let Some(more) = rest.strip_prefix("and ") {
            rest = more.trim_start();
        } else if !rest.is_empty() {
            return Err(invalid(filter));
        }
    }
    Ok(found)
}

fn invalid(filter: &str) -> Failure {
    Failure::bad_request(&format!(
        "Invalid filter clause: the emulator cannot read '{filter}'."
    ))
}

/// Reads one condition and gives what follows it.
fn condition(text: &str) -> Option<(Condition, &str)> {
    let starts = text
        .strip_prefix("startswith(")
        .or_else(|| text.strip_prefix("startsWith("));
    if let Some(rest) = starts {
        let (name, rest) = name(rest)?;
        let (value, rest) = literal(rest.trim_start().strip_prefix(',')?.trim_start())?;
        let condition = Condition::StartsWith(name, value);
        return Some((condition, rest.trim_start().strip_prefix(')')?));
    }
    let (name, rest) = name(text)?;
    // A collection with a value, as in `servicePrincipalNames/any(c:c eq 'x')`.
    if let Some(rest) = rest.strip_prefix("/any(") {
        let (variable, rest) = rest.split_once(':')?;
        let rest = rest.trim_start().strip_prefix(variable.trim())?;
        let (value, rest) = literal(rest.trim_start().strip_prefix("eq ")?.trim_start())?;
        return Some((Condition::In(name, vec![value]), rest.strip_prefix(')')?));
    }
    let rest = rest.trim_start();
    if let Some(rest) = rest.strip_prefix("eq ") {
        let (value, rest) = literal(rest.trim_start()).or_else(|| boolean(rest.trim_start()))?;
        return Some((Condition::In(name, vec![value]), rest));
    }
    let mut rest = rest.strip_prefix("in")?.trim_start().strip_prefix('(')?;
    let mut values = Vec::new();
    loop {
        let (value, tail) = literal(rest.trim_start())?;
        values.push(value);
        let tail = tail.trim_start();
        match tail.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((Condition::In(name, values), tail.strip_prefix(')')?)),
        }
    }
}

fn name(text: &str) -> Option<(String, &str)> {
    let end = text.find(|character: char| !character.is_ascii_alphanumeric())?;
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

fn boolean(text: &str) -> Option<(String, &str)> {
    ["true", "false"]
        .into_iter()
        .find_map(|word| Some((word.to_owned(), text.strip_prefix(word)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_as_graph_reads_it() {
        let object =
            json!({"displayName": "O'Brien's gateway", "appId": "A", "names": ["a", "b"], "on": true});
        let fits = |filter: &str| conditions(filter).ok().unwrap().iter().all(|it| it.fits(&object));
        assert!(fits("displayName eq 'o''brien''s Gateway'"));
        assert!(fits("startswith(displayName,'O''Brien') and appId eq 'a'"));
        assert!(fits("appId in ('x', 'a')"));
        assert!(fits("names/any(c:c eq 'b') and on eq true"));
        assert!(!fits("names/any(n:n eq 'c')"));
        assert!(!fits("displayName eq 'O''Brien'"));
        let many = |count: usize| format!("appId in ({})", vec!["'a'"; count].join(","));
        assert!(fits(&many(15)));
        assert!(conditions(&many(16)).is_err());
        for bad in [
            "displayName eq 'O'Brien'",
            "displayName ne 'x'",
            "eq",
            "appId in ()",
        ] {
            assert!(conditions(bad).is_err(), "{bad}");
        }
    }
}
