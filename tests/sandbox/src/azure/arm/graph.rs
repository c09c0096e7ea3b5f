//! Azure Resource Graph, as far as it finds API Management services by name.

use axum::http::{HeaderName, StatusCode};
use serde_json::{Map, Value, json};

use super::super::emulator::State;
use super::super::inventory::{Inventory, Service};
use super::super::reply::Reply;
use super::failure::Failure;
use super::services::READ;
use super::{Admitted, Result};

/// Resource Graph returns this many rows at most.
const LARGEST_PAGE: usize = 1000;

/// The answer to a query, with what is left of the quota of the caller.
pub(super) fn answer(request: &Admitted<'_>, state: &mut State) -> Reply {
    let now = state.clock.now();
    let quota = state.throttle.query(&request.principal.client_id, now);
    let reply = match quota.remaining {
        Some(_) => query(request, &state.inventory).unwrap_or_else(Failure::reply),
        None => Failure::of_query(
            StatusCode::TOO_MANY_REQUESTS,
            "RateLimiting",
            &[(
                "RateLimiting",
                "Client application has been throttled and should not attempt to repeat the request until an amount \
                 of time has elapsed. Please see https://aka.ms/resourcegraph-throttling for help.",
            )],
        )
        .reply(),
    };
    let resets = format!("00:00:{:02}", quota.resets_after);
    reply
        .header(
            HeaderName::from_static("x-ms-user-quota-remaining"),
            quota.remaining.unwrap_or(0).to_string(),
        )
        .header(HeaderName::from_static("x-ms-user-quota-resets-after"), resets)
}

fn query(request: &Admitted<'_>, inventory: &Inventory) -> Result<Reply> {
    let body: Value = serde_json::from_slice(&request.call.body).unwrap_or_default();
    let query = Query::parse(body["query"].as_str().unwrap_or_default()).ok_or_else(|| {
        Failure::of_query(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            &[
                (
                    "InvalidQuery",
                    "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix \
                     the error before retrying.",
                ),
                ("ParserFailure", "ParserFailure"),
            ],
        )
    })?;
    let subscriptions = body["subscriptions"].as_array();
    let in_scope = |service: &&Service| {
        subscriptions.is_none_or(|ids| {
            ids.iter()
                .filter_map(Value::as_str)
                .any(|id| id.eq_ignore_ascii_case(&service.names.subscription))
        })
    };
    let rows: Vec<Value> = inventory
        .services()
        .filter(in_scope)
        .filter(|service| request.principal.may(READ, &service.names.service_id()))
        .filter(|service| query.selects(&service.names.service))
        .map(|service| query.project(row(service, &request.principal.tenant)))
        .collect();
    let options = &body["options"];
    let size = |name: &str| options[name].as_u64().and_then(|size| usize::try_from(size).ok());
    let skip = options["$skipToken"]
        .as_str()
        .and_then(|token| token.parse().ok());
    let skip = skip.or_else(|| size("$skip")).unwrap_or(0);
    let top = size("$top").unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE);
    let top = top.min(inventory.largest_query_page.unwrap_or(LARGEST_PAGE));
    let page: Vec<&Value> = rows.iter().skip(skip).take(top).collect();
    let mut answer = json!({
        "totalRecords": rows.len(),
        "count": page.len(),
        "data": page,
        "facets": [],
        "resultTruncated": "false",
    });
    if skip + top < rows.len() {
        answer["$skipToken"] = (skip + top).to_string().into();
    }
    Ok(Reply::json(StatusCode::OK, &answer))
}

/// A service as a row of the table `resources`, whose type and resource group are in lower case.
fn row(service: &Service, tenant: &str) -> Map<String, Value> {
    let names = &service.names;
    let row = json!({
        "id": names.service_id(),
        "name": names.service,
        "type": "microsoft.apimanagement/service",
        "tenantId": tenant,
        "kind": "",
        "location": "westeurope",
        "resourceGroup": names.resource_group.to_lowercase(),
        "subscriptionId": names.subscription,
        "managedBy": "",
        "sku": {"name": "Developer", "capacity": 1},
        "plan": null,
        "properties": {"provisioningState": "Succeeded"},
        "tags": null,
        "identity": null,
        "zones": null,
        "extendedLocation": null,
    });
    match row {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// The conditions that the emulator understands; it takes every other for true.
struct Query {
    /// Whether the query is for services of API Management at all.
    type_fits: bool,
    /// The names that the query gives, and whether their case counts; none means every name.
    names: Option<Vec<(String, bool)>>,
    /// The columns, each with the name that it gets; none means all of them.
    columns: Option<Vec<(String, String)>>,
}

impl Query {
    fn parse(text: &str) -> Option<Query> {
        let tokens = tokens(text)?;
        let table = tokens.first()?;
        if !matches!(table, Token::Word(word) if word.eq_ignore_ascii_case("resources")) {
            return None;
        }
        let types = condition(&tokens, "type");
        let fits =
            |(value, _): &(String, bool)| value.eq_ignore_ascii_case("microsoft.apimanagement/service");
        Some(Query {
            type_fits: types.is_none_or(|types| types.iter().any(fits)),
            names: condition(&tokens, "name"),
            columns: columns(&tokens),
        })
    }

    fn selects(&self, service: &str) -> bool {
        let fits = |(name, exact): &(String, bool)| {
            if *exact {
                name == service
            } else {
                name.eq_ignore_ascii_case(service)
            }
        };
        self.type_fits && self.names.as_ref().is_none_or(|names| names.iter().any(fits))
    }

    fn project(&self, row: Map<String, Value>) -> Value {
        let Some(columns) = &self.columns else {
            return Value::Object(row);
        };
        let value = |column: &String| row.get(column).cloned().unwrap_or_default();
        columns
            .iter()
            .map(|(name, column)| (name.clone(), value(column)))
            .collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

/// The words, string literals and signs of a query; nothing for a literal that does not end.
fn tokens(query: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = query.chars().peekable();
    while let Some(&next) = chars.peek() {
        if next.is_alphanumeric() || next == '_' {
            let mut word = String::new();
            while let Some(part) = chars.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '~')) {
                word.push(part);
            }
            tokens.push(Token::Word(word));
        } else if matches!(next, '\'' | '"') {
            chars.next();
            let mut text = String::new();
            loop {
                match chars.next()? {
                    '\\' => text.push(chars.next()?),
                    end if end == next => break,
                    part => text.push(part),
                }
            }
            tokens.push(Token::Text(text));
        } else if matches!(next, '=' | '!' | '<' | '>') {
            let mut sign = String::new();
            while let Some(part) = chars.next_if(|c| matches!(c, '=' | '~' | '!' | '<' | '>')) {
                sign.push(part);
            }
            tokens.push(Token::Sign(sign));
        } else {
            if !next.is_whitespace() {
                tokens.push(Token::Sign(next.to_string()));
            }
            chars.next();
        }
    }
    Some(tokens)
}

/// The values that a query gives for a column by `==`, `=~`, `in` or `in~`, and whether their case counts.
fn condition(tokens: &[Token], column: &str) -> Option<Vec<(String, bool)>> {
    tokens.iter().enumerate().find_map(|(index, token)| {
        let Token::Word(word) = token else { return None };
        if !word.eq_ignore_ascii_case(column) {
            return None;
        }
        let (operator, rest) = tokens[index + 1..].split_first()?;
        let (many, exact) = match operator {
            Token::Sign(sign) if sign == "==" => (false, true),
            Token::Sign(sign) if sign == "=~" => (false, false),
            Token::Word(word) if word == "in" => (true, true),
            Token::Word(word) if word == "in~" => (true, false),
            _ => return None,
        };
        let values = rest
            .iter()
            .take_while(|token| **token != Token::Sign(")".to_owned()));
        let values = values.filter_map(|token| match token {
            Token::Text(text) => Some((text.clone(), exact)),
            _ => None,
        });
        Some(values.take(if many { usize::MAX } else { 1 }).collect())
    })
}

/// The columns of `project`, written `column` or `name = column`.
fn columns(tokens: &[Token]) -> Option<Vec<(String, String)>> {
    let start = tokens
        .iter()
        .position(|token| matches!(token, Token::Word(word) if word == "project"))?;
    let rest: Vec<&Token> = tokens[start + 1..]
        .iter()
        .take_while(|token| **token != Token::Sign("|".to_owned()))
        .collect();
    let columns = rest.split(|token| **token == Token::Sign(",".to_owned()));
    columns
        .map(|column| match column {
            [Token::Word(name)] => Some((name.clone(), name.clone())),
            [Token::Word(name), Token::Sign(sign), Token::Word(column)] if sign == "=" => {
                Some((name.clone(), column.clone()))
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(query: &str) -> Vec<String> {
        let names = Query::parse(query).unwrap().names.unwrap();
        names.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn one_name_or_many_are_read_with_their_escapes() {
        let one = r"resources | where type =~ 'microsoft.apimanagement/service' and name =~ 'it\'s' | project id, name";
        assert_eq!(names(one), ["it's"]);
        assert_eq!(
            names(r#"resources | where name in~ ("a", 'b') | where type == "x""#),
            ["a", "b"]
        );
    }

    #[test]
    fn another_type_selects_nothing() {
        let query = Query::parse("Resources | where type == 'microsoft.compute/virtualmachines'").unwrap();
        assert!(!query.selects("anything"));
    }

    #[test]
    fn columns_can_be_renamed() {
        let query = Query::parse("resources | project id, sub = subscriptionId | limit 5").unwrap();
        let columns = [("id", "id"), ("sub", "subscriptionId")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(query.columns.unwrap(), columns);
    }

    #[test]
    fn an_invalid_query_is_refused() {
        assert!(Query::parse("").is_none());
        assert!(Query::parse("resources | where name =~ 'open").is_none());
    }
}
