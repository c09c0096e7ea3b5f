//! Long lists of notes.

/// How many notes of one kind are shown to people.
const MOST: usize = 10;

/// The notes for people: of each kind a few, and how many more there are. Those of one
/// kind follow each other and begin with the same four words.
pub fn capped(notes: &[String]) -> Vec<String> {
    let mut shown = Vec::new();
    for kind in notes.chunk_by(|one, other| words(one).eq(words(other))) {
        let (first, rest) = kind.split_at(kind.len().min(MOST));
        shown.extend(first.iter().cloned());
        if !rest.is_empty() {
            shown.push(format!("and {} more, which -o json lists", rest.len()));
        }
    }
    shown
}

fn words(note: &str) -> impl Iterator<Item = &str> {
    note.split(' ').take(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_kind_a_few_are_shown() {
        let of = |kind: &'static str, number: usize| (0..number).map(move |at| format!("{kind} {at}"));
        let notes: Vec<String> = of("it has the owner", 10)
            .chain(of("it has a credential", 70))
            .chain(of("it has the role", 1))
            .collect();
        let shown = capped(&notes);
        assert_eq!(shown.len(), 22);
        assert_eq!(shown[9..11], ["it has the owner 9", "it has a credential 0"]);
        assert_eq!(
            shown[20..],
            ["and 60 more, which -o json lists", "it has the role 0"]
        );
    }
}
