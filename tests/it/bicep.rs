//! A reader of the Bicep that is printed here: literals, lists, objects and references to
//! the id of another resource.

use serde_json::{Map, Value};

/// A resource as it is declared.
pub(crate) struct Declared {
    pub(crate) symbol: String,
    /// With the version of its API after an `@`.
    pub(crate) kind: String,
    pub(crate) body: Value,
}

/// The resources of a file. What is not understood fails the test.
pub(crate) fn read(text: &str) -> Vec<Declared> {
    let mut reader = Reader { rest: text };
    let mut all = Vec::new();
    while !reader.is_at_end() {
        let word = reader.word();
        match word.as_str() {
            "targetScope" => {
                reader.expects("=");
                assert_eq!(reader.value(), "subscription");
            }
            "resource" => {
                let symbol = reader.word();
                let kind = reader.value().as_str().unwrap().to_owned();
                reader.expects("=");
                let body = reader.value();
                all.push(Declared { symbol, kind, body });
            }
            other => panic!("`{other}` is not understood before {}", reader.rest),
        }
    }
    all
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Skips spaces, lines and comments.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with("//") {
                return;
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    fn is_at_end(&mut self) -> bool {
        self.skip();
        self.rest.is_empty()
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expects(&mut self, sign: &str) {
        assert!(self.takes(sign), "`{sign}` is missing before {}", self.rest);
    }

    fn word(&mut self) -> String {
        self.skip();
        let end = self
            .rest
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        assert!(!word.is_empty(), "a word is missing before {}", self.rest);
        self.rest = rest;
        word.to_owned()
    }

    fn value(&mut self) -> Value {
        if self.takes("'") {
            return self.text().into();
        }
        if self.takes("{") {
            let mut fields = Map::new();
            while !self.takes("}") {
                let name = if self.takes("'") { self.text() } else { self.word() };
                self.expects(":");
                let value = self.value();
                assert!(
                    fields.insert(name, value).is_none(),
                    "twice, before {}",
                    self.rest
                );
            }
            return fields.into();
        }
        if self.takes("[") {
            let mut elements = Vec::new();
            while !self.takes("]") {
                elements.push(self.value());
                self.takes(",");
            }
            return elements.into();
        }
        let symbol = self.word();
        self.expects(".id");
        reference(&symbol)
    }

    /// A text after its first quote.
    fn text(&mut self) -> String {
        let mut text = String::new();
        let mut letters = self.rest.chars();
        loop {
            match letters.next() {
                Some('\'') => break,
                Some('$') => {
                    assert!(
                        !letters.as_str().starts_with('{'),
                        "interpolation in {}",
                        self.rest
                    );
                    text.push('$');
                }
                Some('\\') if letters.as_str().starts_with("u{") => {
                    let code: String = letters
                        .by_ref()
                        .skip(2)
                        .take_while(|letter| *letter != '}')
                        .collect();
                    text.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
                }
                Some('\\') => text.push(match letters.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some(sign @ ('\\' | '\'' | '$')) => sign,
                    other => panic!("{other:?} is no escape, in {}", self.rest),
                }),
                None | Some('\n') => panic!("no end of the text {}", self.rest),
                Some(letter) => text.push(letter),
            }
        }
        self.rest = letters.as_str();
        text
    }
}

/// What stands for the id of a resource.
pub(crate) fn reference(symbol: &str) -> Value {
    serde_json::json!({ "idOf": symbol })
}
