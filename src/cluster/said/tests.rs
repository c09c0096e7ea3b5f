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
    ] {
        assert_eq!(without(&secrets, line), expected, "{line}");
    }
    for line in [
        "To sign in, use a web browser to open the page https://microsoft.com/devicelogin and enter the code F8X2K9QTD",
        "open https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id=04b07795&code_challenge=xA9",
        "AADSTS70043: Trace ID: 0f8fad5b-d9cd-469f-a165-70867728950e Timestamp: 2026-11-22 10:00:00Z",
        "ManagedIdentityCredential authentication failed, exec plugin client.authentication.k8s.io/v1beta1",
        "cannot read /home/me/.kube/cache/kubelogin/AzurePublicCloud-12345678.json",
        "----------------------------------------------------------------------",
    ] {
        assert_eq!(without(&secrets, line), line);
    }
}
