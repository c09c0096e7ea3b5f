use super::*;

fn refusal(status: u16, code: Option<&str>) -> Box<Refusal> {
    Box::new(Refusal {
        purpose: "read gateway `gw`".into(),
        request: "GET /subscriptions/s".into(),
        status,
        code: code.map(Into::into),
        reason: None,
        message: "Gateway not found.".into(),
        correlation: "c-1".into(),
        retry_after: None,
        challenge: None,
    })
}

#[test]
fn the_message_has_the_purpose_the_reason_and_the_ids() {
    let error = TopError::from(Error::Status {
        refusal: refusal(400, Some("MethodNotAllowedInPricingTier")),
    });
    assert_eq!(
        error.to_string(),
        "cannot read gateway `gw`: Azure answered 400 MethodNotAllowedInPricingTier: \
         Gateway not found (GET /subscriptions/s, correlation id c-1)"
    );
    assert_eq!(
        error.hints(),
        ["only the Developer and Premium tiers have self-hosted gateways"]
    );
}

#[test]
fn an_object_that_azure_names_is_not_named_again() {
    let gateway = "/subscriptions/s/resourceGroups/r/providers/Microsoft.ApiManagement/service/a/gateways/gw";
    for (request, message, shown) in [
        (
            format!("POST {gateway}/generateToken"),
            format!("no right over scope '{gateway}'"),
            false,
        ),
        (
            format!("GET {gateway}"),
            format!("no right over scope '{gateway}'"),
            false,
        ),
        (format!("GET {gateway}"), "no right".to_owned(), true),
        (
            "GET /subscriptions".to_owned(),
            "no right on /subscriptions".to_owned(),
            true,
        ),
    ] {
        let refusal = Refusal {
            request: request.clone(),
            message,
            ..*refusal(403, None)
        };
        assert_eq!(refusal.to_string().contains(&request), shown, "{refusal}");
        assert!(refusal.to_string().contains("correlation id c-1)"), "{refusal}");
    }
}

#[test]
fn errors_that_may_pass_are_retried() {
    let broken = |fault| Error::Transport {
        purpose: String::new(),
        fault,
        message: String::new(),
    };
    let status = |status| Error::Status {
        refusal: refusal(status, None),
    };
    let purpose = String::new();
    for (error, decision) in [
        (broken(Fault::Connect), Decision::RetryBriefly),
        (broken(Fault::Broken), Decision::Retry),
        (broken(Fault::Certificate), Decision::Stop),
        (status(429), Decision::Retry),
        (status(503), Decision::Retry),
        (status(409), Decision::Stop),
        (Error::Timeout { purpose }, Decision::Stop),
    ] {
        assert_eq!(error.retry_decision(), decision, "{error:?}");
    }
}

#[test]
fn the_wait_that_azure_asks_for_is_obeyed() {
    let wait = Duration::from_secs(7);
    let mut refusal = refusal(429, None);
    refusal.retry_after = Some(wait);
    assert_eq!(
        Error::Throttled { refusal }.retry_decision(),
        Decision::RetryAfter(wait)
    );
}

#[test]
fn what_may_have_been_carried_out_is_not_repeated_blindly() {
    let broken = |fault| Error::Transport {
        purpose: String::new(),
        fault,
        message: String::new(),
    };
    let status = |status| Error::Status {
        refusal: refusal(status, None),
    };
    for (error, decision) in [
        (broken(Fault::Connect), Decision::RetryBriefly),
        (broken(Fault::Broken), Decision::Stop),
        (status(429), Decision::Retry),
        (status(503), Decision::Stop),
        (status(400), Decision::Stop),
    ] {
        assert_eq!(error.retry_decision_once(), decision, "{error:?}");
    }
    assert!(status(503).is_ambiguous() && !status(400).is_ambiguous() && !status(429).is_ambiguous());
}

#[test]
fn the_innermost_reason_is_shown_beside_the_code() {
    let mut refusal = refusal(400, Some("Request_BadRequest"));
    refusal.reason = Some("NoBackingApplicationObject".into());
    let error = Error::Status { refusal };
    assert!(error.has_code("Request_BadRequest") && error.has_code("NoBackingApplicationObject"));
    let text = error.to_string();
    assert!(
        text.contains("Azure answered 400 Request_BadRequest (NoBackingApplicationObject): "),
        "{text}"
    );
}

/// The messages are those of public reports.
#[test]
fn each_refusal_of_arm_has_a_next_step() {
    let sub = "11111111-2222-3333-4444-555555555555";
    let locked = format!(
        "The scope '/subscriptions/{sub}/resourceGroups/rg/providers/Microsoft.ApiManagement/service/s/gateways/g' \
         cannot perform write operation because following scope(s) are locked: '/subscriptions/{sub}'. Please remove the \
         lock and try again."
    );
    let assignment = "/providers/Microsoft.Management/managementGroups/mg/providers/Microsoft.Authorization/policyAssignments/no-shg";
    let older = format!(
        "Resource 'gw' was disallowed by policy. Policy identifiers: \
         '[{{\"policyAssignment\":{{\"name\":\"No gateways\",\"id\":\"{assignment}\"}}}}]'."
    );
    let newer =
        format!("Resource 'gw' was disallowed by policy. Reasons: 'Ask.'. (No gateways: {assignment})");
    let shown = "`az policy assignment show --name 'no-shg' --scope '/providers/Microsoft.Management/managementGroups/mg'`";
    let lock_list = format!("`az lock list --subscription '{sub}'`");
    for (code, message, part) in [
        ("ScopeLocked", locked.as_str(), lock_list.as_str()),
        ("ScopeLocked", "Locked.", "`az lock list`"),
        ("RequestDisallowedByPolicy", &older, shown),
        ("RequestDisallowedByPolicy", &newer, shown),
        (
            "RequestDisallowedByPolicy",
            "Denied.",
            "`az policy assignment list`",
        ),
        (
            "ReadOnlyDisabledSubscription",
            "Disabled.",
            "have its owner enable it again",
        ),
        (
            "SubscriptionNotFound",
            "Not found.",
            "`az account list --all -o table`",
        ),
        (
            "InvalidSubscriptionId",
            "Malformed.",
            "`az account list --all -o table`",
        ),
        ("DenyAssignmentAuthorizationFailed", "Denied.", "deny assignment"),
        ("NoRegisteredProviderFound", "Not found.", "--api-version"),
    ] {
        let mut refusal = refusal(409, Some(code));
        message.clone_into(&mut refusal.message);
        let error = Error::Status { refusal };
        let hint = error.hint().unwrap();
        assert!(hint.contains(part), "{code}: {hint}");
        assert!(
            error.to_string().contains(message.trim_end_matches('.')),
            "{error}"
        );
    }
}
