//! The examples of the README that hand JSON to jq: each is run as it stands
//! there, by a shell with the real kubectl.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::case::Case;
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
/// output, and what must not. `GALLERY`, `ALONE` and `GATEWAY` stand for the
/// two namespaces and the ARM id.
const EXAMPLES: [(&str, Place, &[&str], &[&str]); 9] = [
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
        "> gateways.txt",
        Place::Alone,
        &["ALONE Deployment/gw GATEWAY\n"],
        &["GALLERY"],
    ),
    (
        "jq .counts",
        Place::Alone,
        &[r#""rotated": 1"#, r#""failed": 0"#],
        &["items"],
    ),
    (".keySlot", Place::Alone, &["Rotated\tprimary\t20"], &["null"]),
];

/// The commands in the README's console blocks, each in one text. One goes on
/// while a quote is open or its line ends in a backslash or a pipe.
fn commands(readme: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let mut open: Option<String> = None;
        for line in block.lines() {
            let mut command = match (open.take(), line.strip_prefix("$ ")) {
                (Some(begun), _) => begun + "\n" + line,
                (None, Some(begun)) => begun.to_owned(),
                (None, None) => continue,
            };
            let goes_on = command.matches('\'').count() % 2 == 1 || line.ends_with(['\\', '|']);
            if goes_on {
                open = Some(command);
            } else {
                command.truncate(command.trim_end().len());
                commands.push(command);
            }
        }
        assert_eq!(open, None, "a command without an end");
    }
    commands
}

#[tokio::test]
async fn every_example_with_jq_does_what_the_readme_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let mut commands = commands(&fs::read_to_string(path).unwrap());
    commands.retain(|command| command.contains("| jq"));
    let (gallery, alone) = tokio::join!(gallery("readme"), Case::new("readme-alone"));
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
            panic!("`{part}` is in {} examples of the README", found.len());
        };
        let command = commands.remove(at);
        let everywhere = command.contains(" -A");
        assert!(
            !command.contains("rotate -A") || command.contains("--dry-run"),
            "{command} would rotate all that other tests have"
        );
        let run = match place {
            Place::Gallery => gallery.shell(&command),
            Place::Alone if everywhere => alone.shell(&command).env("APIM_SELECTOR", &selector),
            Place::Alone => alone.shell(&command),
        };
        let mut output = run.exits(0).await.stdout;
        if command.ends_with("> gateways.txt") {
            output = alone.shell("cat gateways.txt").exits(0).await.stdout;
        }
        for (texts, is_shown) in [(shown, true), (left_out, false)] {
            for text in texts.iter().map(|text| real(text)) {
                assert_eq!(output.contains(&text), is_shown, "`{text}`:\n{command}\n{output}");
            }
        }
    }
    assert!(
        commands.is_empty(),
        "examples of the README that are not tested: {commands:#?}"
    );
    // The file that was made lets its gateway through.
    let line = "kubectl apim rotate -A --gateways gateways.txt --dry-run -o name";
    let accepted = alone.shell(line).env("APIM_SELECTOR", &selector).exits(0).await;
    assert_eq!(accepted.stdout, "secret/gw-token\ndeployment.apps/gw\n");
}

#[test]
fn a_command_may_have_several_lines() {
    let text = "```console\n$ a 'b\n  c' | jq .\nan output\n$ d \\\n    e\n```\n$ none\n```console\n$ f |\n  g\n```\n";
    assert_eq!(commands(text), ["a 'b\n  c' | jq .", "d \\\n    e", "f |\n  g"]);
}
