use http::{HeaderName, HeaderValue};

use super::*;

fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect()
}

#[test]
fn envelopes_of_every_kind() {
    let parsed = |body: &str| envelope(body.as_bytes()).map(|it| (it.code, line(&it.message)));
    let expected = |code: &str, message: &str| Some((code.to_owned(), message.to_owned()));
    assert_eq!(
        parsed(
            r#"{"error":{"code":"ResourceNotFound","message":"Api not found.\r\nmore","details":null,"target":null}}"#
        ),
        expected("ResourceNotFound", "Api not found. more")
    );
    assert_eq!(
        parsed(
            r#"{"error":{"code":"ValidationError","message":"One or more fields contain incorrect values:",
                "details":[{"code":"ValidationError","target":"expiry","message":"Too far."}]}}"#
        ),
        expected(
            "ValidationError",
            "One or more fields contain incorrect values: expiry: Too far."
        )
    );
    assert_eq!(
        parsed(r#"{"error":{"code":"Conflict"}}"#),
        expected("Conflict", "no message")
    );
    for body in [
        "",
        "{}",
        "[]",
        "<html>",
        r#"{"error":"x"}"#,
        r#"{"error":{"code":"#,
    ] {
        assert_eq!(parsed(body), None, "{body}");
    }
}

/// The bodies are those of public reports of Resource Graph and of policies.
#[test]
fn what_stands_beside_the_message_is_added_to_it() {
    let parsed = |body: &str| envelope(body.as_bytes()).unwrap();
    let query = parsed(
        r#"{"error":{"code":"BadRequest","message":"Please provide below info when asking for support: timestamp = t",
            "details":[{"code":"InvalidQuery","message":"Query is invalid."},
                {"code":"ParserFailure","message":"ParserFailure","target":"line 1"}]}}"#,
    );
    assert_eq!(query.reason.as_deref(), Some("InvalidQuery"));
    assert!(
        query
            .message
            .ends_with(" t Query is invalid. line 1: ParserFailure"),
        "{}",
        query.message
    );
    let id = "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/no-shg";
    let policy = |message: &str| {
        let info =
            serde_json::json!({"policyAssignmentId": id, "policyAssignmentDisplayName": "No gateways"});
        let body = serde_json::json!({"error": {"code": "RequestDisallowedByPolicy", "message": message,
            "additionalInfo": [{"type": "Other"}, {"type": "PolicyViolation", "info": info}]}});
        parsed(&body.to_string()).message
    };
    assert_eq!(policy("Denied."), format!("Denied. (No gateways: {id})"));
    let named = format!("Denied. Policy identifiers: '[{{\"id\":\"{id}\"}}]'.");
    assert_eq!(policy(&named), named);
}

#[test]
fn the_innermost_reason_of_an_error_is_kept() {
    let parsed = |body: &str| envelope(body.as_bytes()).unwrap();
    let early = parsed(
        r#"{"error":{"code":"Request_BadRequest","message":"The appId 'a' does not reference an application.",
            "details":[{"code":"NoBackingApplicationObject","target":"appId",
                "message":"The appId 'a' does not reference an application."}],
            "innerError":{"date":"2026-11-27T10:00:00","request-id":"r","client-request-id":"c"}}}"#,
    );
    assert_eq!(early.reason.as_deref(), Some("NoBackingApplicationObject"));
    assert_eq!(early.message, "The appId 'a' does not reference an application.");
    let nested =
        parsed(r#"{"error":{"code":"a","message":"m","innerError":{"code":"b","innererror":{"code":"c"}}}}"#);
    assert_eq!(nested.reason.as_deref(), Some("c"));
    for same in [
        r#"{"error":{"code":"a","details":[{"code":"a","message":"m"}]}}"#,
        r#"{"error":{"code":"a","details":[],"innerError":{"request-id":"r"}}}"#,
    ] {
        assert_eq!(parsed(same).reason, None, "{same}");
    }
}

#[test]
fn a_servers_text_is_one_printable_line() {
    assert_eq!(line(" \u{1b}[31mred\u{7}\r\n\r\nsecond\t"), "[31mred second");
    let whole = "Resource 'x' was disallowed by policy. ".repeat(40);
    assert_eq!(line(&whole), whole.trim_end());
    assert_eq!(line(&"ä".repeat(4000)).len(), LONGEST_MESSAGE - 1);
    assert_eq!(word("a\nb c").as_deref(), Some("abc"));
    assert_eq!(word("\n"), None);
}

#[test]
fn an_unparsable_body_is_described_and_not_quoted() {
    let json = headers(&[(CONTENT_TYPE, "application/json")]);
    for (body, expected, flaw) in [
        ("", "an empty body", Flaw::Truncated),
        (
            "<html>",
            "HTML instead of JSON: is there a proxy in between?",
            Flaw::Html,
        ),
        (r#"{"value":"gw&20301"#, "truncated JSON", Flaw::Truncated),
        (r#"{"value":1}"#, "JSON of an unexpected form", Flaw::Form),
        (
            "Bad Gateway",
            "text instead of JSON: is there a proxy in between?",
            Flaw::Form,
        ),
    ] {
        let problem = parse::<TokenAnswer>(&json, body.as_bytes()).err();
        assert_eq!(problem, Some((expected.to_owned(), flaw)), "{body}");
    }
}

#[test]
fn the_missing_right_is_read_from_the_text() {
    let text = "The client 'a' with object id 'oid-1' does not have authorization to perform action \
                'Microsoft.ApiManagement/service/gateways/read' over scope '/subscriptions/s' or the scope \
                is invalid. If access was recently granted, please refresh your credentials.";
    let (action, scope, principal) = forbidden(text).unwrap();
    assert_eq!(action, "Microsoft.ApiManagement/service/gateways/read");
    assert_eq!(scope, "/subscriptions/s");
    assert_eq!(principal.as_deref(), Some("oid-1"));
    assert_eq!(forbidden("Denied by policy."), None);
}

#[test]
fn a_name_cannot_leave_its_kql_literal() {
    assert_eq!(kql_literal("svc-1"), "'svc-1'");
    assert_eq!(kql_literal(r"a' or '\"), r"'a\' or \'\\'");
    assert_eq!(kql_literal("a\nb"), "'ab'");
}

#[test]
fn entra_errors_with_escapes_and_without_lists() {
    let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret \"x\" provided.\r\nTrace ID: t","error_codes":[7000215],"correlation_id":"c"}"#;
    let error = EntraError::parse(body.as_bytes()).unwrap();
    assert_eq!(error.code().as_deref(), Some("AADSTS7000215"));
    assert_eq!(
        error.message(),
        r#"AADSTS7000215: Invalid client secret "x" provided."#
    );

    let body = r#"{"error_description":"AADSTS90002: Tenant not found. Trace ID: t Correlation ID: c"}"#;
    let error = EntraError::parse(body.as_bytes()).unwrap();
    assert_eq!(error.code().as_deref(), Some("AADSTS90002"));
    assert_eq!(error.message(), "AADSTS90002: Tenant not found.");

    let error = EntraError::parse(br#"{"error":"invalid_request","error_codes":null}"#).unwrap();
    assert_eq!((error.code(), error.message()), (None, "invalid_request".into()));
    assert!(EntraError::parse(b"<html>").is_none() && EntraError::parse(b"{}").is_none());
}

#[test]
fn the_last_page_of_a_list_has_an_empty_null_or_missing_link() {
    for (body, next) in [
        (r#"{"value":[],"nextLink":""}"#, Some("")),
        (r#"{"value":[],"nextLink":null}"#, None),
        (r#"{"value":[]}"#, None),
    ] {
        let page: Page<Resource> = serde_json::from_str(body).unwrap();
        assert_eq!(page.next_link.as_deref(), next);
    }
}
