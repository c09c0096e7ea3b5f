use uuid::Uuid;

use crate::model::quote::odata_text;

/// How many values Graph accepts in one `in`.
const MOST_VALUES: usize = 15;

/// The filters that find the objects of these ids, each with as many values as
/// Graph accepts.
pub(super) fn with_ids(field: &str, ids: &[Uuid]) -> Vec<String> {
    ids.chunks(MOST_VALUES)
        .map(|ids| {
            let ids: Vec<String> = ids.iter().map(|id| odata_text(&id.to_string())).collect();
            format!("{field} in ({})", ids.join(","))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_at_most_fifteen_values() {
        let ids: Vec<Uuid> = (0..31).map(Uuid::from_u128).collect();
        let filters = with_ids("appId", &ids);
        let counts: Vec<usize> = filters
            .iter()
            .map(|filter| filter.matches("','").count() + 1)
            .collect();
        assert_eq!(counts, [15, 15, 1]);
        assert_eq!(filters[2], "appId in ('00000000-0000-0000-0000-00000000001e')");
        assert_eq!(with_ids("appId", &[]), Vec::<String>::new());
    }
}
