use std::borrow::Cow;

/// Replaces control characters by spaces: names and messages from servers may
/// contain line breaks and escape codes, which must not reach a terminal.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let spaced = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character });
    Cow::Owned(spaced.collect())
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
    format!("{}{MARK}", &text[..text.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(one_line("plain"), "plain");
        assert_eq!(one_line("a\u{1b}[31m\nb"), "a [31m b");
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
