//! The examples of the documents that pass JSON to jq: each is run exactly as
//! it is printed there, by a shell with the real kubectl.

use serde_json::json;

use crate::case::Case;
use crate::documents::{Document, document, for_users};
use crate::status::gallery::gallery;

/// Where an example is run.
#[derive(Clone, Copy)]
enum Place {
    /// Beside the gallery, which has a gateway in every state.
    Gallery,
    /// In a namespace with one gateway, which has no CronJob. What looks into
    /// all namespaces sees this gateway alone, since a rotation is no business
    /// of other tests.
    Alone,
}

/// A part of an example that no other has, where it is run, what must be in its
/// output, and what must not. `GALLERY`, `ALONE` and `GATEWAY` are placeholders for the
/// two namespaces and the ARM id.
const EXAMPLES: [(&str, Place, &[&str], &[&str]); 10] = [
    (
        "infinite) < 10 * 86400",
        Place::Gallery,
        &["GALLERY\tcheckout\t20"],
        &["GALLERY\tshipping", "GALLERY\tsearch"],
    ),
    (
        r#".verdict != "Healthy""#,
        Place::Gallery,
        &[
            "GALLERY\tpayments\tWillBeReverted\tHelm release payments owns the Secret",
            "\tkubectl apim rotate deployment.apps/payments -n GALLERY --adopt\n",
            "GALLERY\tinvoices\tUnknown\t",
        ],
        &["GALLERY\torders"],
    ),
    (
        ".pods.stale[]?",
        Place::Gallery,
        &["GALLERY returns-"],
        &["GALLERY \n", "GALLERY orders"],
    ),
    (
        "select(.unprotected)",
        Place::Gallery,
        &["ALONE\tgw\tno CronJob was found"],
        &["GALLERY\torders"],
    ),
    (".cronJob == null", Place::Gallery, &["ALONE gw\n"], &["GALLERY "]),
    (
        ".lastResult",
        Place::Gallery,
        &["GALLERY\tapim-rotate\torders\tnever ran\t20"],
        &["ALONE"],
    ),
    (
        "group_by(.)",
        Place::Gallery,
        &["{\n", r#""StalePods": "#, r#""WillBeReverted": "#],
        &["null"],
    ),
    (
        "jq .counts",
        Place::Alone,
        &[r#""rotated": 1"#, r#""failed": 0"#],
        &["items"],
    ),
    (
        "[.secret.name, .outcome]",
        Place::Alone,
        &["gw-token\tPlanned\n"],
        &["null"],
    ),
    (".keySlot", Place::Alone, &["Rotated\tprimary\t20"], &["null"]),
];

#[tokio::test]
async fn every_example_with_jq_prints_the_expected_output() {
    let mut commands: Vec<String> = for_users()
        .iter()
        .flat_map(Document::commands)
        .filter(|command| command.contains("| jq"))
        .collect();
    let (gallery, alone) = tokio::join!(gallery("examples"), Case::new("examples-alone"));
    alone.deploy(&alone.idle_portal()).await;
    let fleet = json!({"metadata": {"labels": {"fleet": alone.namespace}}});
    alone.patch_deployment("gw", &fleet).await;
    let selector = format!("fleet={}", alone.namespace);
    let real = |text: &str| {
        text.replace("GALLERY", &gallery.namespace)
            .replace("ALONE", &alone.namespace)
            .replace("GATEWAY", &alone.gateway.id())
    };
    for (part, place, shown, left_out) in EXAMPLES {
        let found: Vec<usize> = (0..commands.len())
            .filter(|at| commands[*at].contains(part))
            .collect();
        let [at] = found[..] else {
            panic!("`{part}` is in {} examples", found.len());
        };
        let command = commands.remove(at);
        let everywhere = command.contains(" -A");
        assert!(
            !command.contains("rotate -A") || command.contains("--dry-run"),
            "{command} would rotate all that other tests have"
        );
        let run = match place {
            Place::Gallery => gallery.shell(&command),
            Place::Alone if everywhere => alone.shell(&command).env("KUBECTL_APIM_SELECTOR", &selector),
            Place::Alone => alone.shell(&command),
        };
        let output = run.exits(0).await.stdout;
        for (texts, is_shown) in [(shown, true), (left_out, false)] {
            for text in texts.iter().map(|text| real(text)) {
                assert_eq!(output.contains(&text), is_shown, "`{text}`:\n{command}\n{output}");
            }
        }
    }
    assert!(commands.is_empty(), "examples that are not tested: {commands:#?}");
}

#[tokio::test]
async fn the_example_of_a_list_of_gateways_makes_one_that_is_accepted() {
    let commands: Vec<String> = for_users().iter().flat_map(Document::commands).collect();
    let make = commands
        .iter()
        .find(|command| command.ends_with("> gateways.txt"));
    let alone = Case::new("examples-list").await;
    alone.deploy(&alone.idle_portal()).await;
    let fleet = json!({"metadata": {"labels": {"fleet": alone.namespace}}});
    alone.patch_deployment("gw", &fleet).await;
    let selector = format!("fleet={}", alone.namespace);
    let run = async |line: &str| {
        let run = alone.shell(line).env("KUBECTL_APIM_SELECTOR", &selector);
        run.exits(0).await.stdout
    };
    run(make.unwrap()).await;
    let line = format!("{} deployment/gw {}\n", alone.namespace, alone.gateway.id());
    assert!(run("cat gateways.txt").await.ends_with(&line));
    let accepted = run("kubectl apim rotate -A --gateways gateways.txt --dry-run -o name").await;
    assert_eq!(accepted, "secret/gw-token\ndeployment.apps/gw\n");
}

/// What follows a command in its console block.
fn shown_after<'a>(document: &'a Document, command: &str) -> &'a str {
    let (_, rest) = document.text.split_once(&format!("\n$ {command}\n")).unwrap();
    rest.split("```").next().unwrap()
}

/// A text with one digit for every number, since times differ.
fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        match letter {
            '0'..='9' if plain.ends_with('0') => {}
            '0'..='9' => plain.push('0'),
            other => plain.push(other),
        }
    }
    plain
}

#[tokio::test]
async fn a_rotation_prints_the_output_on_the_page() {
    let page = document("docs/rotate.md");
    let case = Case::new("examples-rotate").await;
    case.deploy(&case.portal().replicas(2)).await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    let place = ended.stderr.lines().next().unwrap();
    let real = format!("{}{}", ended.stderr, ended.stdout)
        .replace(
            place,
            &format!(
                "cluster    namespace {} of context prod of ~/.kube/config  [default kubeconfig]",
                case.namespace
            ),
        )
        .replace(&case.gateway.subscription, "11111111-2222-3333-4444-555555555555")
        .replace(&case.gateway.service, "contoso")
        .replace(&case.namespace, "apim")
        .replace(&case.principal.client_id, "99999999-8888-7777-6666-555555555555")
        .replace(&case.principal.tenant, "contoso.onmicrosoft.com");
    assert_eq!(
        without_numbers(&real),
        without_numbers(shown_after(&page, "kubectl apim rotate"))
    );

    let line = "rotate deployment/gw --if-expiring-within 10d";
    let words: Vec<&str> = line.split(' ').collect();
    let ended = case.apim(&words).exits(0).await;
    let shown = shown_after(&page, &format!("kubectl apim {line}"));
    assert_eq!(without_numbers(&ended.stdout), without_numbers(shown));
}

/// The names of pods end in letters and digits of their own.
#[tokio::test]
async fn one_gateway_in_full_is_as_on_the_page() {
    let page = document("docs/status.md");
    let case = Case::new("examples-full").await;
    case.deploy(&case.portal()).await;
    case.apim(&["rotate"]).exits(0).await;
    case.apim(&["rotate", "--no-restart"]).exits(0).await;
    let stale = case.apim(&["status", "-o", "json"]).exits(0).await.gateway("gw");
    let ended = case.apim(&["status", "gw"]).exits(0).await;
    let real = ended
        .stdout
        .replace(stale["pods"]["stale"][0].as_str().unwrap(), "gw-5f7c9d8b6d-x2k7q")
        .replace(&case.gateway.subscription, "11111111-2222-3333-4444-555555555555")
        .replace(&case.gateway.service, "contoso")
        .replace(&case.namespace, "apim");
    assert_eq!(
        without_numbers(&real),
        without_numbers(shown_after(&page, "kubectl apim status gw"))
    );
}
