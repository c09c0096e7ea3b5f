use crate::model::{KeyChoice, KeySlot};

/// The slot that signs the next token, given the one that signed the present
/// token. If that is unknown, `last` and `rotate` mean primary, as in the script.
pub fn choose_slot(choice: KeyChoice, present: Option<KeySlot>) -> KeySlot {
    match choice {
        KeyChoice::Primary => KeySlot::Primary,
        KeyChoice::Secondary => KeySlot::Secondary,
        KeyChoice::Last => present.unwrap_or(KeySlot::Primary),
        KeyChoice::Rotate => present.map_or(KeySlot::Primary, KeySlot::other),
    }
}

#[cfg(test)]
mod tests {
    use KeyChoice::{Last, Rotate};
    use KeySlot::{Primary, Secondary};

    use super::*;

    #[test]
    fn the_rules_of_the_script() {
        for (choice, present, slot) in [
            (Last, None, Primary),
            (Last, Some(Primary), Primary),
            (Last, Some(Secondary), Secondary),
            (Rotate, None, Primary),
            (Rotate, Some(Primary), Secondary),
            (Rotate, Some(Secondary), Primary),
            (KeyChoice::Primary, Some(Secondary), Primary),
            (KeyChoice::Secondary, None, Secondary),
        ] {
            assert_eq!(choose_slot(choice, present), slot, "{choice} of {present:?}");
        }
    }
}
