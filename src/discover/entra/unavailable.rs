use crate::azure;
use crate::cluster::reason;
use crate::model::{Fact, Unavailable, cleaned};

/// What Azure answered, as a fact.
pub(super) fn of_azure<T>(answer: Result<T, azure::Error>) -> Fact<T> {
    answer.map_err(|error| {
        let why = cleaned(&error.to_string());
        match error.status() {
            Some(403) => Unavailable::Forbidden(why),
            _ => Unavailable::Unknown(why),
        }
    })
}

/// What the API server answered, as a fact. `doing` is as in "reading secret/x".
pub(super) fn of_cluster<T>(answer: Result<T, kube::Error>, doing: &str) -> Fact<T> {
    answer.map_err(|error| {
        let why = format!("{doing}: {}", cleaned(&reason(&error)));
        match &error {
            kube::Error::Api(status) if status.is_forbidden() => Unavailable::Forbidden(why),
            _ => Unavailable::Unknown(why),
        }
    })
}

/// A fact that this run does not need.
pub(super) fn not_needed<T>() -> Fact<T> {
    Err(Unavailable::Unknown("it was not needed".to_owned()))
}
