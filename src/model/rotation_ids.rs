use std::fmt;

use serde::{Deserialize, Serialize};

/// The most ids in one annotation.
const MOST: usize = 16;

/// The rotation ids in an annotation, separated by commas: a workload has one for
/// each Secret that it uses. The text is kept, so that an annotation that did not
/// change is restored exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RotationIds(Option<String>);

impl RotationIds {
    /// The annotation; `None` if there are no ids.
    pub fn annotation(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let ids = self.0.iter().flat_map(|text| text.split(','));
        ids.map(str::trim).filter(|id| !id.is_empty())
    }

    /// Whether the id is a member.
    pub fn contains(&self, id: &str) -> bool {
        let ids = Self::from(id);
        !ids.is_empty() && ids.iter().all(|id| self.iter().any(|own| own == id))
    }

    /// The same ids with these new ones in the place of the old ones, or at the
    /// end if there is no old one. Beyond 16 ids, the first ones are dropped.
    #[must_use]
    pub fn with(&self, new: &Self, old: &Self) -> Self {
        let mut ids: Vec<&str> = Vec::new();
        let mut is_placed = false;
        for id in self.iter() {
            if !new.contains(id) && !old.contains(id) {
                ids.push(id);
            } else if !is_placed {
                ids.extend(new.iter());
                is_placed = true;
            }
        }
        if !is_placed {
            ids.extend(new.iter());
        }
        while ids.len() > MOST {
            let oldest = ids.iter().position(|id| !new.contains(id)).unwrap_or_default();
            ids.remove(oldest);
        }
        Self(Some(ids.join(",")).filter(|text| !text.is_empty()))
    }

    /// The same ids without these.
    #[must_use]
    pub fn without(&self, old: &Self) -> Self {
        if old.iter().any(|id| self.contains(id)) {
            self.with(&Self::default(), old)
        } else {
            self.clone()
        }
    }

    /// Those of the ids that are also in the others.
    #[must_use]
    pub fn among(&self, others: &Self) -> Self {
        let ids: Vec<&str> = self.iter().filter(|id| others.contains(id)).collect();
        Self(Some(ids.join(",")).filter(|text| !text.is_empty()))
    }
}

impl From<Option<String>> for RotationIds {
    fn from(annotation: Option<String>) -> Self {
        Self(annotation)
    }
}

impl From<&str> for RotationIds {
    fn from(id: &str) -> Self {
        Self(Some(id.to_owned()))
    }
}

impl fmt::Display for RotationIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn none() -> RotationIds {
        RotationIds::default()
    }

    #[test]
    fn one_secret_has_the_plain_id() {
        let first = none().with(&"r1".into(), &none());
        assert_eq!(first.annotation(), Some("r1"));
        let second = first.with(&"r2".into(), &"r1".into());
        assert_eq!(second.annotation(), Some("r2"));
        assert_eq!(second.without(&"r2".into()).annotation(), None);
    }

    #[test]
    fn an_id_is_replaced_where_it_is() {
        let ids = RotationIds::from("a1,b1,c1");
        assert_eq!(ids.with(&"b2".into(), &"b1".into()), "a1,b2,c1".into());
        assert_eq!(ids.with(&"b3".into(), &"b2,b1".into()), "a1,b3,c1".into());
        assert_eq!(ids.with(&"d1".into(), &none()), "a1,b1,c1,d1".into());
        assert_eq!(ids.with(&"b1".into(), &none()), ids);
        assert_eq!(ids.without(&"b1,x".into()), "a1,c1".into());
        assert_eq!(ids.among(&"x,c1".into()), "c1".into());
    }

    #[test]
    fn only_whole_ids_are_members() {
        let ids = RotationIds::from("a1, b1");
        assert!(ids.contains("a1") && ids.contains("b1") && ids.contains("a1,b1"));
        for id in ["a", "1", "", ",", "a1,c1"] {
            assert!(!ids.contains(id), "{id}");
        }
    }

    #[test]
    fn what_does_not_change_is_kept_as_it_is() {
        let odd = RotationIds::from("a1 ,, b1");
        assert_eq!(odd.without(&"c1".into()), odd);
    }

    proptest! {
        #[test]
        fn the_new_id_is_there_once_and_no_old_one(
            ids in proptest::collection::vec("[a-c][0-9]", 0..40),
            old in "[a-c][0-9]",
        ) {
            let ids = RotationIds::from(ids.join(",").as_str());
            let next = ids.with(&"new".into(), &old.as_str().into());
            prop_assert_eq!(next.iter().filter(|id| *id == "new").count(), 1);
            prop_assert!(!next.contains(&old));
            prop_assert!(next.iter().count() <= MOST);
            let back = next.with(&old.as_str().into(), &"new".into());
            if ids.iter().filter(|id| *id == old).count() == 1 && ids.iter().count() <= MOST {
                prop_assert_eq!(back, ids);
            }
        }
    }
}
