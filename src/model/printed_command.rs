//! A command that is printed to be pasted, and that can be run as it is.

use std::fmt;

use super::quote::word;

/// The words of a command: what a shell makes of the text that is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintedCommand(Vec<Word>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Value(String),
    /// What stands for a value that only the user knows, such as `CLIENT-ID`.
    Placeholder(String),
}

impl PrintedCommand {
    pub fn new(words: &[&str]) -> Self {
        Self(Vec::new()).with(words)
    }

    /// The same with more words at its end.
    #[must_use]
    pub fn with(mut self, words: &[&str]) -> Self {
        self.0
            .extend(words.iter().map(|word| Word::Value((*word).to_owned())));
        self
    }

    /// The same with a word at its end that the user has to replace.
    #[must_use]
    pub fn with_placeholder(mut self, placeholder: &str) -> Self {
        self.0.push(Word::Placeholder(placeholder.to_owned()));
        self
    }

    /// The same with these words after as many of `names` as it begins with; unchanged if
    /// it begins with none.
    #[must_use]
    pub fn with_after(&self, names: &[&str], words: &[String]) -> Self {
        let is_same = |(word, name): &(&Word, &&str)| matches!(word, Word::Value(word) if word == **name);
        let at = self.0.iter().zip(names).take_while(is_same).count();
        if at == 0 {
            return self.clone();
        }
        let (first, rest) = self.0.split_at(at);
        let words = words.iter().cloned().map(Word::Value);
        Self(
            first
                .iter()
                .cloned()
                .chain(words)
                .chain(rest.iter().cloned())
                .collect(),
        )
    }

    /// The words to run; the placeholder if a value is missing.
    pub fn words(&self) -> Result<Vec<&str>, &str> {
        let words = self.0.iter().map(|word| match word {
            Word::Value(value) => Ok(value.as_str()),
            Word::Placeholder(text) => Err(text.as_str()),
        });
        words.collect()
    }
}

/// As a shell reads it.
impl fmt::Display for PrintedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            match part {
                Word::Value(value) => f.write_str(&word(value))?,
                Word::Placeholder(text) => f.write_str(text)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_placeholder_keeps_a_command_from_running() {
        let command = PrintedCommand::new(&["kubectl", "apim", "install-cronjob", "--client-id"]);
        assert_eq!(
            command.words().unwrap(),
            ["kubectl", "apim", "install-cronjob", "--client-id"]
        );
        let missing = command.with_placeholder("CLIENT-ID").with(&["-n", "a b"]);
        assert_eq!(missing.words(), Err("CLIENT-ID"));
        let text = "kubectl apim install-cronjob --client-id CLIENT-ID -n 'a b'";
        assert_eq!(missing.to_string(), text);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The shell is the judge of what is printed.
        #[test]
        fn a_shell_reads_the_same_words(words in prop::collection::vec("[^\u{0}\n]{0,12}", 1..5)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let command = PrintedCommand::new(&["printf", "%s\\n"]).with(&words);
            let output = std::process::Command::new("sh").args(["-c", &command.to_string()]).output().unwrap();
            let expected = words.join("\n") + "\n";
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        }
    }
}
