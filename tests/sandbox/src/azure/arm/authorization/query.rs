//! The filters of role definitions and role assignments.

use super::super::super::exchange::literal;
use super::super::Result;
use super::super::failure::Failure;

/// A filter's conditions, each a property or function with its literal.
pub(super) fn conditions(filter: Option<&str>) -> Result<Vec<(String, String)>> {
    let filter = filter.unwrap_or_default().trim();
    let mut rest = filter;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (condition, tail) = condition(rest).ok_or_else(|| unsupported(filter))?;
        found.push(condition);
        let tail = tail.trim_start();
        rest = match tail.strip_prefix("and ") {
            Some(more) => more.trim_start(),
            None if tail.is_empty() => tail,
            None => return Err(unsupported(filter)),
        };
    }
    Ok(found)
}

pub(super) fn unsupported(filter: &str) -> Failure {
    let message = format!(
        "The filter '{filter}' is not supported. Supported filters are either 'atScope()' or 'principalId eq \
         '{{value}}' or assignedTo('{{value}}')'."
    );
    Failure::bad_request("UnsupportedQuery", &message)
}

/// Reads `name eq 'literal'`, `name('literal')` or `name()`, and gives what follows it.
fn condition(text: &str) -> Option<((String, String), &str)> {
    let end = text.find(|character: char| !character.is_ascii_alphanumeric())?;
    let (name, rest) = text.split_at(end);
    let name = name.to_lowercase();
    if let Some(rest) = rest.strip_prefix("()") {
        return Some(((name, String::new()), rest));
    }
    if let Some(rest) = rest.strip_prefix('(') {
        let (value, rest) = literal(rest)?;
        return Some(((name, value), rest.strip_prefix(')')?));
    }
    let rest = rest.trim_start().strip_prefix("eq ")?.trim_start();
    let (value, rest) = literal(rest)?;
    Some(((name, value), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_conditions_with_literals() {
        let read = |filter| conditions(Some(filter)).ok().unwrap();
        assert_eq!(
            read("roleName eq 'O''Brien''s'"),
            [("rolename".into(), "O'Brien's".into())]
        );
        assert_eq!(
            read("atScope() and assignedTo('x')"),
            [
                ("atscope".into(), String::new()),
                ("assignedto".into(), "x".into())
            ]
        );
        assert!(conditions(Some("roleName eq 'O'Brien'")).is_err());
        assert!(conditions(None).ok().unwrap().is_empty());
    }
}
