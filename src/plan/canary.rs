//! Whether a fleet goes on after the results so far.

use std::collections::BTreeSet;

/// After this many failures in a row with the same reason no other gateway is
/// tried as the canary.
const ALIKE: usize = 3;

/// What the result of one gateway shows about the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// The credential works.
    Passed,
    /// A credential was written that was refused, or that is not proved. Those
    /// of the other gateways may be no better.
    Doubtful,
    /// Nothing was written; with the reason, without the names of the gateway.
    /// The gateway may be the only one that gets no credential.
    NotWritten(String),
    /// Nothing was tried.
    None,
}

/// Where a gateway is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The namespace and its cluster.
    pub namespace: String,
    /// The API Management instance.
    pub instance: String,
}

/// The results of a fleet so far.
#[derive(Clone, Debug)]
pub struct Trials {
    /// How many canaries are still to be proved.
    canaries: usize,
    max_failures: usize,
    failures: usize,
    /// The limit of `alike`.
    max_alike: usize,
    /// How many results in a row were `NotWritten`, all for this reason.
    alike: (usize, String),
    /// Where the canaries were since one was proved.
    tried: Vec<Place>,
    stopped: Option<String>,
}

impl Trials {
    pub fn new(canaries: usize, max_failures: usize) -> Self {
        Self {
            canaries,
            max_failures,
            failures: 0,
            max_alike: canaries.max(ALIKE),
            alike: (0, String::new()),
            tried: Vec::new(),
            stopped: None,
        }
    }

    /// Why no other rotation may start.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// The position of the next canary among the gateways that wait, in their
    /// order; `None` if the others may start.
    ///
    /// After a canary that proved nothing, one of another namespace and another
    /// instance is the next. Among equals it is the last, whose credential was
    /// renewed after those of the others: if even that one fails, the reason is
    /// less likely to be its own.
    pub fn next_canary(&mut self, waiting: &[Place]) -> Option<usize> {
        if self.canaries == 0 || self.stopped.is_some() {
            return None;
        }
        let namespaces: BTreeSet<&str> = self.tried.iter().map(|place| &*place.namespace).collect();
        let instances: BTreeSet<&str> = self.tried.iter().map(|place| &*place.instance).collect();
        let is_new = |place: &Place| {
            usize::from(!namespaces.contains(&*place.namespace))
                + usize::from(!instances.contains(&*place.instance))
        };
        let elsewhere = (0..waiting.len()).max_by_key(|at| waiting.get(*at).map(&is_new));
        let at = if self.tried.is_empty() { 0 } else { elsewhere? };
        self.tried.push(waiting.get(at)?.clone());
        Some(at)
    }

    /// Takes the result of one gateway into account.
    pub fn record(&mut self, trial: Trial) {
        match trial {
            Trial::Passed => {
                self.canaries = self.canaries.saturating_sub(1);
                self.alike = (0, String::new());
                self.tried.clear();
            }
            Trial::Doubtful => {
                self.failures += 1;
                if self.canaries > 0 {
                    self.stopped = Some("the canary failed".to_owned());
                } else if self.failures >= self.max_failures {
                    self.stopped = Some("too many other gateways failed".to_owned());
                }
            }
            Trial::NotWritten(reason) => {
                let before = if self.alike.1 == reason { self.alike.0 } else { 0 };
                self.alike = (before + 1, reason);
                if self.canaries > 0 && self.alike.0 >= self.max_alike {
                    self.stopped = Some(format!(
                        "{} gateways in a row failed in the same way",
                        self.alike.0
                    ));
                }
            }
            Trial::None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(namespace: &str, instance: &str) -> Place {
        Place {
            namespace: namespace.to_owned(),
            instance: instance.to_owned(),
        }
    }

    fn not_written(reason: &str) -> Trial {
        Trial::NotWritten(reason.to_owned())
    }

    /// The first gateways of these places, each of which ends with the same.
    fn canaries(places: &[(&str, &str)], trial: &Trial) -> Vec<usize> {
        let mut waiting: Vec<(usize, Place)> = places
            .iter()
            .map(|(namespace, instance)| place(namespace, instance))
            .enumerate()
            .collect();
        let mut trials = Trials::new(1, 1);
        let mut tried = Vec::new();
        loop {
            let places: Vec<Place> = waiting.iter().map(|(_, place)| place.clone()).collect();
            let Some(at) = trials.next_canary(&places) else {
                return tried;
            };
            tried.push(waiting.remove(at).0);
            trials.record(trial.clone());
        }
    }

    #[test]
    fn the_first_canary_is_the_first_that_waits_and_one_that_passed_is_enough() {
        let places = [("a", "i"), ("b", "i")];
        assert_eq!(canaries(&places, &Trial::Passed), [0]);
        let mut trials = Trials::new(2, 1);
        let waiting = [place("a", "i"), place("b", "j")];
        for _ in 0..2 {
            assert_eq!(trials.next_canary(&waiting), Some(0));
            trials.record(Trial::Passed);
        }
        assert_eq!((trials.next_canary(&waiting), trials.stopped()), (None, None));
    }

    #[test]
    fn a_canary_whose_credential_is_doubtful_stops_the_fleet() {
        let mut trials = Trials::new(1, 100);
        trials.record(Trial::Doubtful);
        assert_eq!(trials.stopped(), Some("the canary failed"));
        assert_eq!(trials.next_canary(&[place("a", "i")]), None);
    }

    #[test]
    fn a_canary_that_got_no_credential_is_replaced_by_one_elsewhere() {
        let failed = not_written("403");
        // The last of another namespace and another instance.
        let places = [("a", "i"), ("a", "j"), ("b", "j"), ("b", "i"), ("c", "j")];
        assert_eq!(canaries(&places, &failed)[..2], [0, 4]);
        // If all are in one place, those that were renewed last.
        assert_eq!(canaries(&[("a", "i"); 9], &failed), [0, 8, 7]);
        // What was refused before shows nothing, so each is tried.
        assert_eq!(canaries(&[("a", "i"); 4], &Trial::None), [0, 3, 2, 1]);
    }

    #[test]
    fn the_same_failure_of_all_canaries_stops_the_fleet_and_different_ones_do_not() {
        let mut trials = Trials::new(1, 1);
        for reason in ["403", "403", "404", "403", "timeout", "timeout"] {
            trials.record(not_written(reason));
            trials.record(Trial::None);
            assert_eq!(trials.stopped(), None, "{reason}");
        }
        trials.record(not_written("timeout"));
        assert_eq!(
            trials.stopped(),
            Some("3 gateways in a row failed in the same way")
        );
        // A larger number of canaries is also a larger sample.
        let mut trials = Trials::new(5, 1);
        for _ in 0..4 {
            trials.record(not_written("403"));
        }
        assert_eq!(trials.stopped(), None);
        trials.record(not_written("403"));
        assert!(trials.stopped().is_some());
    }

    #[test]
    fn after_the_canary_only_doubtful_credentials_count() {
        let mut trials = Trials::new(1, 2);
        trials.record(Trial::Passed);
        for _ in 0..200 {
            trials.record(not_written("403"));
        }
        trials.record(Trial::Doubtful);
        assert_eq!(trials.stopped(), None);
        trials.record(Trial::Doubtful);
        assert_eq!(trials.stopped(), Some("too many other gateways failed"));
    }
}
