//! Values as literals of other languages, so that no name that others chose can
//! become code of a printed script.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A word of a POSIX shell. A newline may stay, since single quotes keep it.
pub fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A word of a shell, quoted only if it must be, with the quotes that are easier to read.
pub fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        Cow::Borrowed(text)
    } else if text.contains('\'') && !text.contains(['"', '$', '`', '\\', '!']) {
        Cow::Owned(format!("\"{text}\""))
    } else {
        Cow::Owned(shell_word(text))
    }
}

/// A string literal of Bicep, which must not contain a line break
/// (learn.microsoft.com, "Data types in Bicep").
pub fn bicep_text(text: &str) -> String {
    let mut literal = String::from("'");
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' | '\'' => literal.extend(['\\', letter]),
            '$' if letters.peek() == Some(&'{') => literal.push_str("\\$"),
            letter if letter.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(literal, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => literal.push(letter),
        }
    }
    literal.push('\'');
    literal
}

/// A string literal of `OData`, as in `$filter`.
pub fn odata_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_language_has_its_own_quotes() {
        for (text, shell, bicep, odata) in [
            ("O'Brien", "'O'\\''Brien'", "'O\\'Brien'", "'O''Brien'"),
            ("$(id)", "'$(id)'", "'$(id)'", "'$(id)'"),
            ("${a}", "'${a}'", "'\\${a}'", "'${a}'"),
            ("a\nb", "'a\nb'", "'a\\u{a}b'", "'a\nb'"),
            ("a\\", "'a\\'", "'a\\\\'", "'a\\'"),
            ("", "''", "''", "''"),
        ] {
            assert_eq!(shell_word(text), shell);
            assert_eq!(bicep_text(text), bicep);
            assert_eq!(odata_text(text), odata);
        }
    }

    /// What a shell makes of a word in single quotes and `\'`.
    fn unquoted(word: &str) -> Option<String> {
        let inner = word.strip_prefix('\'')?.strip_suffix('\'')?;
        let text = inner.replace("'\\''", "\u{0}");
        (!text.contains('\'')).then(|| text.replace('\u{0}', "'"))
    }

    proptest! {
        #[test]
        fn a_word_of_the_shell_is_the_text(text in "[^\u{0}]{0,40}") {
            prop_assert_eq!(unquoted(&shell_word(&text)), Some(text));
        }

        #[test]
        fn a_literal_of_bicep_ends_where_the_text_ends(text in any::<String>()) {
            let literal = bicep_text(&text);
            let inner = literal.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
            prop_assert!(!inner.contains(['\n', '\r']));
            let mut letters = inner.chars();
            while let Some(letter) = letters.next() {
                prop_assert_ne!(letter, '\'');
                if letter == '\\' {
                    prop_assert!(letters.next().is_some());
                } else if letter == '$' {
                    prop_assert_ne!(letters.clone().next(), Some('{'));
                }
            }
        }
    }
}
