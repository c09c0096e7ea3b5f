//! The command line of the shell script `apim-shg-rotate`, for a link with that
//! name: turns the options that its getopt accepts into flags of `rotate`.

use std::ffi::OsString;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::model::SCRIPT;

/// The name of the link.
pub const LINK: &str = SCRIPT;

/// The help under the name of the link.
pub const HELP: &str = "\
Rotate the access token of a self-hosted gateway of Azure API Management

Usage: apim-shg-rotate [OPTIONS]

Takes the command line and the variables of the script apim-shg-rotate. A long
option may be shortened and have one dash. An option takes precedence over its
variable.

Options:                          Variable
  -s, --subscription-id ID        SUBSCRIPTION_ID  required
  -r, --resource-group NAME       RESOURCE_GROUP   required
  -a, --apim-instance NAME        APIM_INSTANCE    required
  -g, --apim-gateway NAME         APIM_GATEWAY     required
  -n, --namespace NAME            NAMESPACE        by default that of the kubeconfig
  -t, --token-secret NAME         TOKEN_SECRET     required
  -k, --token-key KEY             TOKEN_KEY        last (default), rotate, primary or
                                                   secondary
  -o, --k8s-object TYPE/NAME      K8S_OBJECT       workload to restart; by default none
  -c, --client-id ID              SP_ID            by default how this machine or pod
  -p, --client-secret SECRET      SP_SECRET          signs in to Azure
      --tenant ID                 TENANT
      --debug                     DEBUG            log every request, without secrets
  -h, --help                                       print this help

Exit codes:
  0  done
  1  any failure

The command `kubectl apim rotate` can do more; see `kubectl-apim rotate --help`.
";

struct LongOption {
    name: &'static str,
    short: Option<char>,
    takes_value: bool,
    /// Our flag; `None` if the script accepted and ignored the option.
    flag: Option<&'static str>,
}

const fn valued(name: &'static str, short: Option<char>) -> LongOption {
    LongOption {
        name,
        short,
        takes_value: true,
        flag: Some(name),
    }
}

const OPTIONS: [LongOption; 14] = [
    valued("subscription-id", Some('s')),
    valued("resource-group", Some('r')),
    valued("apim-instance", Some('a')),
    valued("apim-gateway", Some('g')),
    valued("namespace", Some('n')),
    valued("token-secret", Some('t')),
    valued("token-key", Some('k')),
    valued("k8s-object", Some('o')),
    valued("client-id", Some('c')),
    valued("client-secret", Some('p')),
    valued("tenant", None),
    LongOption {
        name: "debug",
        short: None,
        takes_value: false,
        flag: Some("debug"),
    },
    LongOption {
        name: "help",
        short: Some('h'),
        takes_value: false,
        flag: Some("help"),
    },
    // The script accepts this remnant of a login type.
    LongOption {
        name: "",
        short: Some('l'),
        takes_value: true,
        flag: None,
    },
];

/// The script's parameters without a default, by variable and flag.
const REQUIRED: [(&str, &str); 5] = [
    ("SUBSCRIPTION_ID", "subscription-id"),
    ("RESOURCE_GROUP", "resource-group"),
    ("APIM_INSTANCE", "apim-instance"),
    ("APIM_GATEWAY", "apim-gateway"),
    ("TOKEN_SECRET", "token-secret"),
];

/// Turns the script's command line into one of `rotate`. It needs no more
/// rights than the script's own Role grants: the proof only reads the workload,
/// and without a workload nothing is restarted.
pub fn translate(arguments: &[OsString], environment: &Environment) -> Result<Vec<OsString>> {
    let mut words = arguments.iter();
    let mut translated: Vec<OsString> = words.next().cloned().into_iter().collect();
    translated.push("rotate".into());
    let mut flags: Vec<&str> = Vec::new();

    while let Some(word) = words.next() {
        let text = word.to_str().ok_or_else(|| usage("an argument is not UTF-8"))?;
        let Some((option, attached)) = parse(text)? else {
            if text == "--" && words.len() == 0 {
                break;
            }
            // It may be the rest of a secret that was not quoted.
            return Err(usage(format!(
                "argument {} is not an option, and follows none that takes a value",
                arguments.len() - words.len() - 1
            )));
        };
        let mut value = attached.map(str::to_owned);
        if option.takes_value && value.is_none() {
            let next = words.next().and_then(|word| word.to_str()).map(str::to_owned);
            value = Some(next.ok_or_else(|| usage(format!("option `{text}` requires a value")))?);
        }
        if !option.takes_value && value.is_some() {
            return Err(usage(format!("option `{}` takes no value", name_of(text))));
        }
        let Some(flag) = option.flag else { continue };
        flags.push(flag);
        translated.push(match value {
            Some(value) => format!("--{flag}={value}").into(),
            None => format!("--{flag}").into(),
        });
    }

    let given = |variable: &str, flag: &str| flags.contains(&flag) || environment.get(variable).is_some();
    if flags.contains(&"help") {
        return Ok(translated);
    }
    let missing: Vec<String> = REQUIRED
        .iter()
        .filter(|(variable, flag)| !given(variable, flag))
        .map(|(variable, flag)| format!("{variable} (--{flag})"))
        .collect();
    if !missing.is_empty() {
        return Err(usage(format!(
            "missing, neither given as an argument nor as a variable: {}",
            missing.join(", ")
        )));
    }
    let proof = if given("K8S_OBJECT", "k8s-object") {
        "--prove=rollout"
    } else {
        "--no-restart"
    };
    translated.push(proof.into());
    Ok(translated)
}

/// Parses an option by the rules of getopt: `-s X`, `-sX`, `--long X`,
/// `--long=X`, any unique beginning of a long name, and long names after one
/// dash.
fn parse(text: &str) -> Result<Option<(&'static LongOption, Option<&str>)>> {
    let Some(word) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')) else {
        return Ok(None);
    };
    if word.is_empty() {
        return Ok(None);
    }
    let (name, attached) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let one_dash = !text.starts_with("--");
    if one_dash && word.chars().count() == 1 {
        let short = OPTIONS
            .iter()
            .find(|option| option.short.is_some_and(|short| word.starts_with(short)));
        return short
            .map(|option| Some((option, None)))
            .ok_or_else(|| unknown(text));
    }
    let candidates: Vec<&LongOption> = OPTIONS
        .iter()
        .filter(|option| option.name.starts_with(name))
        .collect();
    let exact = candidates.iter().find(|option| option.name == name);
    match (exact, candidates.as_slice()) {
        (Some(option), _) | (None, [option]) => Ok(Some((option, attached))),
        (None, []) if one_dash => {
            let mut letters = word.chars();
            let letter = letters.next();
            let short = OPTIONS
                .iter()
                .find(|option| option.short == letter && option.takes_value);
            short
                .map(|option| Some((option, Some(letters.as_str()))))
                .ok_or_else(|| unknown(text))
        }
        (None, []) => Err(unknown(text)),
        (None, several) => {
            let names: Vec<String> = several
                .iter()
                .map(|option| format!("--{}", option.name))
                .collect();
            Err(usage(format!(
                "option `{}` is ambiguous: it may mean {}",
                name_of(text),
                names.join(" or ")
            )))
        }
    }
}

/// An option without its value, which may be a secret.
fn name_of(text: &str) -> &str {
    text.split('=').next().unwrap_or(text)
}

fn unknown(text: &str) -> Error {
    usage(format!("unknown option `{}`", name_of(text)))
}

fn usage(message: impl Into<String>) -> Error {
    Error::usage(message).hint(format!("see `{LINK} --help`"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn required_variables() -> Environment {
        Environment::from([
            ("SUBSCRIPTION_ID", "s"),
            ("RESOURCE_GROUP", "r"),
            ("APIM_INSTANCE", "a"),
            ("APIM_GATEWAY", "g"),
            ("TOKEN_SECRET", "t"),
        ])
    }

    fn translated(line: &str) -> Vec<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let words = translate(&words, &required_variables()).unwrap();
        words
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .skip(2)
            .collect()
    }

    fn refused(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        translate(&words, &required_variables()).unwrap_err().to_string()
    }

    #[test]
    fn every_spelling_of_getopt() {
        for line in [
            "link -k rotate",
            "link -krotate",
            "link --token-key rotate",
            "link --token-key=rotate",
            "link -token-key rotate",
            "link -token-k=rotate",
            "link --token-k rotate",
            "link -l sp -k rotate --",
        ] {
            assert_eq!(translated(line), ["--token-key=rotate", "--no-restart"], "{line}");
        }
        assert_eq!(
            translated("link -o deployment/x"),
            ["--k8s-object=deployment/x", "--prove=rollout"]
        );
        assert_eq!(
            translated("link -p -dash"),
            ["--client-secret=-dash", "--no-restart"]
        );
        assert_eq!(translated("link --debug -h"), ["--debug", "--help"]);
    }

    #[test]
    fn options_that_getopt_refuses_are_refused() {
        assert_eq!(
            refused("link --token-"),
            "option `--token-` is ambiguous: it may mean --token-secret or --token-key"
        );
        assert_eq!(refused("link --nonsense=x"), "unknown option `--nonsense`");
        assert_eq!(refused("link -k"), "option `-k` requires a value");
        assert_eq!(refused("link --debug=1"), "option `--debug` takes no value");
        assert_eq!(
            refused("link --debug stray"),
            "argument 2 is not an option, and follows none that takes a value"
        );
    }

    #[test]
    fn no_value_is_shown() {
        for line in [
            "link --client=hush-hush",
            "link --client-=hush-hush",
            "link -client=hush-hush",
            "link --cl=hush-hush",
            "link --debug=hush-hush",
            "link --nonsense=hush-hush",
            "link -p my hush-hush",
        ] {
            assert!(!refused(line).contains("hush"), "{line}: {}", refused(line));
        }
    }

    #[test]
    fn parameters_that_the_script_requires_are_required() {
        let error =
            translate(&["link".into(), "-s".into(), "x".into()], &Environment::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "missing, neither given as an argument nor as a variable: RESOURCE_GROUP (--resource-group), APIM_INSTANCE \
             (--apim-instance), APIM_GATEWAY (--apim-gateway), TOKEN_SECRET (--token-secret)"
        );
    }

    proptest! {
        #[test]
        fn no_command_line_makes_it_panic(words in prop::collection::vec(".{0,12}", 0..6)) {
            let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
            let _ = translate(&words, &required_variables());
        }
    }
}
