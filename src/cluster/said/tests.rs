use super::*;

#[test]
fn secrets_and_what_looks_like_one_are_cut_out() {
    let secrets = ["hunter2-hunter2".to_owned(), "short".to_owned()];
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
    for (line, expected) in [
        ("password hunter2-hunter2!", "password [hidden]!"),
        ("a part: xunter2-hunx", "a part: x[hidden]x"),
        ("a short word", "a short word"),
        (&format!("token={token}"), "[hidden]"),
        (&format!("got \"{token}\" at last"), "got \"[hidden]\" at last"),
        (
            &format!("see https://example.com/#{token}"),
            "see https://example.com/#[hidden]",
        ),
        ("k8s-aws-v1.aHR0cHM6Ly9zdHMuYW1hem9u", "[hidden]"),
        ("4f3c2a1b0d9e8f7a6b5c4d3e", "[hidden]"),
        (
            "POST client_secret=a~b&scope=x",
            "POST client_secret=[hidden]&scope=x",
        ),
        (
            "https://e.com/t?access_token=ya29.a&x=1",
            "https://e.com/t?access_token=[hidden]&x=1",
        ),
        (
            "https://e.com/c?sv=1&sig=ab%3D",
            "https://e.com/c?sv=1&sig=[hidden]",
        ),
        ("see http://user:pw@e.com/x", "see http://[hidden]@e.com/x"),
        (
            "Authorization: Bearer s3cr3tTok",
            "Authorization: Bearer [hidden]",
        ),
        (
            "{\"token\": \"abc\", \"kind\": \"x\"}",
            "{\"token\": \"[hidden]\", \"kind\": \"x\"}",
        ),
        ("password: pw", "password: [hidden]"),
    ] {
        assert_eq!(without(&secrets, line), expected, "{line}");
    }
    for line in [
        "To sign in, use a web browser to open the page https://microsoft.com/devicelogin and enter the code F8X2K9QTD",
        "open https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id=04b07795&code_challenge=xA9",
        "AADSTS70043: Trace ID: 0f8fad5b-d9cd-469f-a165-70867728950e Timestamp: 2026-11-22 10:00:00Z",
        "ManagedIdentityCredential authentication failed, exec plugin client.authentication.k8s.io/v1beta1",
        "cannot get a token: not signed in, and no password was given",
        "enter the code ABCD-EFGH-1234-5678-9XYZ",
        "cannot read /home/me/.kube/cache/kubelogin/AzurePublicCloud-12345678.json",
        "----------------------------------------------------------------------",
    ] {
        assert_eq!(without(&secrets, line), line);
    }
}

#[test]
fn arguments_and_variables_with_secrets_are_known() {
    let exec = Exec {
        args: [
            "get-token",
            "--client-secret",
            "se cret+1",
            "--password=other/1",
            "--server-id",
            "6dae42f8",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Exec::default()
    };
    let known = Said::new(None, &exec).secrets;
    assert_eq!(known, ["se cret+1", "se%20cret%2B1", "other/1", "other%2F1"]);
    assert_eq!(without(&known, "with se%20cret%2B1"), "with [hidden]");
}
