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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(one_line("plain"), "plain");
        assert_eq!(one_line("a\u{1b}[31m\nb"), "a [31m b");
    }
}
