use std::borrow::Cow;

/// A text as one line without control characters: names and messages of
/// servers may hold escape codes, which a terminal must not obey.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let spaced = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character });
    Cow::Owned(spaced.collect())
}

/// A text of at most so many bytes; what is cut off is marked as missing.
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

/// How many things there are: "1 object", "2 objects".
pub fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
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
    fn a_text_is_cut_between_characters() {
        for (longest, cut) in [(7, "füñf"), (6, "füñf"), (5, "f…"), (4, "f…"), (2, "")] {
            assert_eq!(shortened("füñf", longest), cut, "{longest}");
        }
    }
}
