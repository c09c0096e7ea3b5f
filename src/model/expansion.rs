//! References to variables in the values of `env` and in command lines, as the kubelet
//! replaces them (k8s.io/kubernetes, `third_party/forked/golang/expansion`).

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Text(&'a str),
    /// `$(NAME)`, by its name.
    Reference(&'a str),
}

/// The parts of a text; `$$` is one dollar sign.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        parts.push(Part::Text(before));
        let reference = after.strip_prefix('(').and_then(|it| it.split_once(')'));
        let (part, after) = match (after.strip_prefix('$'), reference) {
            (Some(after), _) => (Part::Text("$"), after),
            (None, Some((name, after))) => (Part::Reference(name), after),
            (None, None) => (Part::Text("$"), after),
        };
        parts.push(part);
        rest = after;
    }
    parts.push(Part::Text(rest));
    parts.retain(|part| *part != Part::Text(""));
    parts
}

/// The names of the variables that a text refers to.
pub fn references(text: &str) -> impl Iterator<Item = &str> {
    parts(text).into_iter().filter_map(|part| match part {
        Part::Reference(name) => Some(name),
        Part::Text(_) => None,
    })
}

/// The text with the values of the variables. A reference to one that is not set stays
/// as it is.
pub fn expanded<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut expanded = String::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => expanded.push_str(text),
            Part::Reference(name) => match value(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.extend(["$(", name, ")"]),
            },
        }
    }
    expanded
}

/// The value to write into `env` for this text. Each dollar sign is doubled: kubelets
/// before Kubernetes 1.35 spoil one before a character that is not ASCII.
pub fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(name: &str) -> Option<&'static str> {
        Some(match name {
            "VAR_A" => "A",
            "VAR_B" => "B",
            "VAR_C" => "C",
            "VAR_REF" => "$(VAR_A)",
            "VAR_EMPTY" => "",
            _ => return None,
        })
    }

    /// The cases of the kubelet's own test.
    #[test]
    fn texts_are_expanded_as_by_the_kubelet() {
        for (text, expected) in [
            ("$(VAR_A)", "A"),
            ("$(VAR_A)-$(VAR_A)", "A-A"),
            ("___$(VAR_B)___", "___B___"),
            ("$(VAR_A)_$(VAR_B)_$(VAR_C)", "A_B_C"),
            ("$$(VAR_B)_$(VAR_A)", "$(VAR_B)_A"),
            ("$$(VAR_A)_$$(VAR_B)", "$(VAR_A)_$(VAR_B)"),
            ("f000-$$VAR_A", "f000-$VAR_A"),
            ("foo\\$(VAR_C)bar", "foo\\Cbar"),
            ("foo\\\\\\\\$(VAR_A)bar", "foo\\\\\\\\Abar"),
            ("$(VAR_A$(VAR_B))", "$(VAR_A$(VAR_B))"),
            ("$(VAR_A$(VAR_B)", "$(VAR_A$(VAR_B)"),
            ("$(VAR_REF)", "$(VAR_A)"),
            ("%%$(VAR_REF)--$(VAR_REF)%%", "%%$(VAR_A)--$(VAR_A)%%"),
            ("foo$(VAR_EMPTY)bar", "foobar"),
            ("foo$(VAR_Awhoops!", "foo$(VAR_Awhoops!"),
            ("f00__(VAR_A)__", "f00__(VAR_A)__"),
            ("$?_boo_$!", "$?_boo_$!"),
            ("$VAR_A", "$VAR_A"),
            ("$(VAR_DNE)", "$(VAR_DNE)"),
            ("$$$$$$(BIG_MONEY)", "$$$(BIG_MONEY)"),
            ("$$$$$$(VAR_A)", "$$$(VAR_A)"),
            ("$$$$$$$(GOOD_ODDS)", "$$$$(GOOD_ODDS)"),
            ("$$$$$$$(VAR_A)", "$$$A"),
            ("$VAR_A)", "$VAR_A)"),
            ("${VAR_A}", "${VAR_A}"),
            ("$(VAR_B)_______$(A", "B_______$(A"),
            ("$(VAR_C)_______$(", "C_______$("),
            ("$(VAR_A)foobarzab$", "Afoobarzab$"),
            ("foo-\\$(VAR_A", "foo-\\$(VAR_A"),
            ("--$($($($($--", "--$($($($($--"),
            ("$($($($($--foo$(", "$($($($($--foo$("),
            ("$(foo$$var)", "$(foo$$var)"),
            ("\n", "\n"),
            ("prefix-$€-suffix", "prefix-$€-suffix"),
        ] {
            assert_eq!(expanded(text, value), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_value_that_is_written_comes_back(text in "(\\$|\\(|\\)|VAR_A|é|[^\u{0}]){0,12}") {
            prop_assert_eq!(expanded(&escaped(&text), value), text);
        }
    }
}
