//! Which gateways are under way at once, and when no other is begun.

use std::collections::{HashMap, VecDeque};

use futures::StreamExt;
use futures::stream::FuturesUnordered;

/// How many may be under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// At once.
    pub(super) all: usize,
    /// At once, of one instance: each new pod downloads its whole
    /// configuration from it.
    pub(super) of_one_instance: usize,
    /// After how many failures no other is begun.
    pub(super) failures: usize,
}

/// How one task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As it should, or refused before anything was minted.
    Fine,
    /// It failed.
    Failed,
}

/// Runs the tasks in their order, as far as the limits allow, and hands each
/// one's end to `ended`. Those under way are finished whatever the others came
/// to. Returns the tasks that were not begun because too many failed.
pub(super) async fn drive<T, R>(
    tasks: impl IntoIterator<Item = T>,
    limits: Limits,
    instance: impl Fn(&T) -> String,
    run: impl AsyncFn(T) -> R,
    mut ended: impl FnMut(R) -> End,
) -> Vec<T> {
    let mut waiting: VecDeque<T> = tasks.into_iter().collect();
    let mut running = FuturesUnordered::new();
    let mut busy: HashMap<String, usize> = HashMap::new();
    let mut failures = 0;
    loop {
        while failures < limits.failures && running.len() < limits.all {
            let free = |task: &T| {
                busy.get(&instance(task))
                    .is_none_or(|count| *count < limits.of_one_instance)
            };
            let Some(task) = waiting.iter().position(free).and_then(|at| waiting.remove(at)) else {
                break;
            };
            let instance = instance(&task);
            *busy.entry(instance.clone()).or_default() += 1;
            // On the heap: the stream moves what it is given.
            running.push(Box::pin(async { (instance, run(task).await) }));
        }
        let Some((instance, result)) = running.next().await else {
            return waiting.into();
        };
        if let Some(count) = busy.get_mut(&instance) {
            *count -= 1;
        }
        if ended(result) == End::Failed {
            failures += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    const LIMITS: Limits = Limits {
        all: 4,
        of_one_instance: 2,
        failures: usize::MAX,
    };

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_allowed_and_all_come_to_an_end() {
        let under_way = RefCell::new(HashMap::<String, usize>::new());
        let (most, most_of_one) = (Cell::new(0), Cell::new(0));
        let instance = |task: &usize| format!("svc-{}", task % 3);
        let run = async |task: usize| {
            {
                let mut under_way = under_way.borrow_mut();
                *under_way.entry(instance(&task)).or_default() += 1;
                most.set(most.get().max(under_way.values().sum()));
                most_of_one.set(most_of_one.get().max(*under_way.values().max().unwrap_or(&0)));
            }
            sleep(Duration::from_millis(task as u64 % 7)).await;
            *under_way.borrow_mut().entry(instance(&task)).or_default() -= 1;
        };
        let mut done = 0;
        let left = drive(0..100, LIMITS, instance, run, |()| {
            done += 1;
            End::Fine
        });
        assert_eq!(left.await, Vec::<usize>::new());
        assert_eq!((done, most.get(), most_of_one.get()), (100, 4, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn after_too_many_failures_those_under_way_are_finished_and_no_other_begun() {
        let limits = Limits {
            failures: 2,
            ..LIMITS
        };
        let run = async |task: usize| {
            sleep(Duration::from_millis(task as u64)).await;
            task
        };
        let mut done = Vec::new();
        let left = drive(1..=20, limits, ToString::to_string, run, |task| {
            done.push(task);
            if task <= 2 { End::Failed } else { End::Fine }
        });
        let left = left.await;
        // Two fail; the others that were begun beside them end well.
        assert_eq!(done, [1, 2, 3, 4, 5]);
        assert_eq!(left, (6..=20).collect::<Vec<_>>());
    }
}
