//! Splits the JSON of a list into its items while it arrives, so that no more
//! than one of them is in memory.

/// The list without its items is short: its metadata.
const LONGEST_FRAME: usize = 64 * 1024;

/// How many brackets are open between two items: that of the list's object, and
/// that of its array.
const BETWEEN_ITEMS: usize = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Outside of the items.
    #[default]
    Frame,
    /// Between two items.
    Between,
    /// Inside of an item.
    Item,
}

/// The beginning of the bytes that were given, as far as it is of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A part of an item, and whether the item is complete with it.
    Item(&'a [u8], bool),
    Other(&'a [u8]),
}

/// The state between two pieces of an answer. It cuts and does not check: what
/// it cuts out is parsed afterwards.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    place: Place,
    /// How many brackets are open.
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// The list without its items.
    frame: Vec<u8>,
}

impl Part<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Item(bytes, _) | Self::Other(bytes) => bytes.len(),
        }
    }
}

impl Splitter {
    /// The first part of these bytes; `None` if they are not those of a list of
    /// objects.
    pub(super) fn first<'a>(&mut self, bytes: &'a [u8]) -> Option<Part<'a>> {
        match self.place {
            Place::Frame => {
                let end = self.end_of(bytes, |this, byte| byte == b'[' && this.depth == BETWEEN_ITEMS);
                let (part, _) = bytes.split_at_checked(end.unwrap_or(bytes.len()))?;
                self.frame.extend_from_slice(part);
                if end.is_some() && self.opens_items() {
                    self.place = Place::Between;
                }
                (self.frame.len() <= LONGEST_FRAME).then_some(Part::Other(part))
            }
            Place::Between => {
                let is_filler = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
                let end = bytes.iter().position(|byte| !is_filler(byte));
                let (filler, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len()))?;
                self.place = match rest.first() {
                    None => Place::Between,
                    Some(b'{') => Place::Item,
                    Some(b']') => Place::Frame,
                    Some(_) => return None,
                };
                Some(Part::Other(filler))
            }
            Place::Item => {
                let end = self.end_of(bytes, |this, _| this.depth == BETWEEN_ITEMS);
                let (part, _) = bytes.split_at_checked(end.unwrap_or(bytes.len()))?;
                if end.is_some() {
                    self.place = Place::Between;
                }
                Some(Part::Item(part, end.is_some()))
            }
        }
    }

    /// The list without its items, once it has arrived.
    pub(super) fn frame(self) -> Vec<u8> {
        self.frame
    }

    /// The number of bytes up to the one, inclusive, after which `is_last` holds
    /// outside of texts.
    fn end_of(&mut self, bytes: &[u8], is_last: impl Fn(&Self, u8) -> bool) -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..)?;
            // Most bytes are those of texts, and few of them matter.
            if self.in_text && !self.escaped {
                at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            }
            let byte = *bytes.get(at)?;
            at += 1;
            if self.in_text {
                self.in_text = self.escaped || byte != b'"';
                self.escaped = !self.escaped && byte == b'\\';
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => continue,
            }
            if !self.in_text && is_last(self, byte) {
                return Some(at);
            }
        }
    }

    /// Whether the frame ends with the beginning of the items. A key that ends
    /// with an escaped quote is another one.
    fn opens_items(&self) -> bool {
        let before =
            |text: &'_ [u8], suffix: &[u8]| text.trim_ascii_end().strip_suffix(suffix).map(<[u8]>::to_vec);
        before(&self.frame, b"[")
            .and_then(|text| before(&text, b":"))
            .and_then(|text| before(&text, b"\"items\""))
            .is_some_and(|text| !text.ends_with(b"\\"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// The items and the rest of a list that arrives in pieces of this length.
    fn split(list: &[u8], length: usize) -> Option<(Vec<Value>, Value)> {
        let mut splitter = Splitter::default();
        let (mut items, mut item) = (Vec::new(), Vec::new());
        for mut piece in list.chunks(length) {
            while !piece.is_empty() {
                let part = splitter.first(piece)?;
                if let Part::Item(bytes, ends) = part {
                    item.extend_from_slice(bytes);
                    if ends {
                        items.push(serde_json::from_slice(&item).unwrap());
                        item.clear();
                    }
                }
                piece = &piece[part.len()..];
            }
        }
        Some((items, serde_json::from_slice(&splitter.frame()).ok()?))
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            Just(json!("\"items\":[{\\")),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let key = prop_oneof![".{0,6}", Just("items".to_owned()), Just("\"items".to_owned())];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..4).prop_map(|pairs| pairs.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_list_is_split_as_it_would_be_parsed(
            items in prop::collection::vec(value(), 0..4), other in value(), length in 1_usize..40, pretty: bool,
        ) {
            let items: Vec<Value> = items.into_iter().map(|item| json!({"item": item})).collect();
            let list = json!({"a\"items": ["x"], "apiVersion": "v1", "items": items, "metadata": {"items": other}});
            let text = if pretty { format!("{list:#}") } else { list.to_string() };
            let (found, frame) = split(text.as_bytes(), length).unwrap();
            prop_assert_eq!(found, items);
            prop_assert_eq!(&frame["items"], &json!([]));
            prop_assert_eq!(&frame["metadata"], &list["metadata"]);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), length in 1_usize..40) {
            let list = [b"{\"items\": [{", bytes.as_slice()].concat();
            let mut splitter = Splitter::default();
            for mut piece in list.chunks(length) {
                while !piece.is_empty() {
                    let Some(part) = splitter.first(piece) else { return Ok(()) };
                    piece = &piece[part.len()..];
                }
            }
        }
    }

    #[test]
    fn a_list_of_nothing_has_no_items() {
        for text in [
            r#"{"items": null, "metadata": {}}"#,
            r#"{"items": [ ], "metadata": {}}"#,
        ] {
            assert_eq!(split(text.as_bytes(), 3).unwrap().0, Vec::<Value>::new());
        }
        assert!(split(br#"{"items": [1]}"#, 3).is_none());
        assert!(split(b"<html>", 3).is_none());
        assert!(split(" ".repeat(LONGEST_FRAME + 1).as_bytes(), 1000).is_none());
    }
}
