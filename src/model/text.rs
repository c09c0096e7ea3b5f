use std::borrow::Cow;

/// The longest text of others that is kept, in bytes: an endpoint with a whole
/// ARM path is shorter, and so is a token.
pub const LONGEST_TEXT: usize = 1024;

/// The longest name that Azure allows, in characters: that of a resource group.
const LONGEST_NAME: usize = 90;

/// Replaces control characters by spaces: names and messages from servers may
/// contain line breaks, escape codes and marks that reverse what follows, which
/// must not reach a terminal.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let spaced = text
        .chars()
        .map(|character| if is_control(character) { ' ' } else { character });
    Cow::Owned(spaced.collect())
}

/// What is kept of a text that users of the cluster or of Azure wrote: one line
/// of limited length. Every such text passes here when it becomes a fact.
pub fn cleaned(text: &str) -> String {
    one_line(&shortened(text, LONGEST_TEXT)).into_owned()
}

/// Whether a resource in Azure can have this name. Anything printable counts,
/// since the rules differ from kind to kind.
pub fn is_azure_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST_NAME && !text.chars().any(is_control)
}

/// Control characters, the separators of lines and paragraphs, the marks that
/// change the direction of a text, and what is not visible at all: with it two
/// names that differ look the same.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A number with the noun, and with any words that agree with it:
/// `counted(2, "gateway needs", "gateways need")` is `2 gateways need`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A text of at most `longest` bytes. An ellipsis marks the end of a text that
/// was cut.
pub fn shortened(text: &str, longest: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= longest {
        return text.to_owned();
    }
    let Some(room) = longest.checked_sub(MARK.len()) else {
        return String::new();
    };
    let (kept, _) = text.split_at(text.floor_char_boundary(room));
    format!("{kept}{MARK}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(one_line("plain"), "plain");
        assert_eq!(one_line("a\u{1b}[31m\nb"), "a [31m b");
        assert_eq!(
            one_line("a\u{9b}2J\u{202e}b\u{2066}\u{2028}c\u{7f}"),
            "a 2J b  c "
        );
        assert_eq!(one_line("gw\u{200b}\u{feff}-\u{ad}1\u{e0041}"), "gw  - 1 ");
        assert!(!is_azure_name("gw\u{200b}"));
    }

    #[test]
    fn a_text_of_others_is_one_line_of_limited_length() {
        assert_eq!(cleaned("svc\n"), "svc ");
        let long = cleaned(&"\u{1b}é".repeat(1_000_000));
        assert!(long.len() <= LONGEST_TEXT && long.ends_with('…') && !long.contains('\u{1b}'));
    }

    #[test]
    fn a_name_in_azure_is_printable_and_short() {
        for name in ["gw", "Gateway 7 (Zürich)", &"x".repeat(90)] {
            assert!(is_azure_name(name), "{name}");
        }
        for name in ["", "gw\u{1b}", "gw\u{202e}", &"x".repeat(91)] {
            assert!(!is_azure_name(name), "{name:?}");
        }
    }

    #[test]
    fn nouns_agree_with_their_number() {
        let pods = |number| counted(number, "pod runs", "pods run");
        assert_eq!(
            [pods(0), pods(1), pods(2)],
            ["0 pods run", "1 pod runs", "2 pods run"]
        );
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        for (longest, cut) in [(7, "füñf"), (6, "füñf"), (5, "f…"), (4, "f…"), (2, "")] {
            assert_eq!(shortened("füñf", longest), cut, "{longest}");
        }
    }
}
