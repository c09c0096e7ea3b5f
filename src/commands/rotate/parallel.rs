//! Which gateways are under way at once, and when no other is begun.

use std::collections::{HashMap, VecDeque};

use futures::StreamExt;
use futures::stream::FuturesUnordered;

/// How much may be under way, in workloads that are restarted.
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

/// What the limits go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// The API Management instance.
    pub(super) instance: String,
    /// How many workloads the task restarts.
    pub(super) workloads: usize,
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
/// to. A task that is larger than a limit runs when nothing else does.
/// Returns the tasks that were not begun because too many failed.
pub(super) async fn drive<T, R>(
    tasks: impl IntoIterator<Item = T>,
    limits: Limits,
    load: impl Fn(&T) -> Load,
    run: impl AsyncFn(T) -> R,
    mut ended: impl FnMut(R) -> End,
) -> Vec<T> {
    let mut waiting: VecDeque<T> = tasks.into_iter().collect();
    let mut running = FuturesUnordered::new();
    let mut busy: HashMap<String, usize> = HashMap::new();
    let mut failures = 0;
    loop {
        loop {
            let all: usize = busy.values().sum();
            let fits = |busy: usize, more: usize, limit: usize| busy == 0 || busy + more <= limit;
            let free = |task: &T| {
                let Load { instance, workloads } = load(task);
                let of_instance = busy.get(&instance).copied().unwrap_or_default();
                failures < limits.failures
                    && fits(all, workloads, limits.all)
                    && fits(of_instance, workloads, limits.of_one_instance)
            };
            let Some(task) = waiting.iter().position(free).and_then(|at| waiting.remove(at)) else {
                break;
            };
            let load = load(&task);
            *busy.entry(load.instance.clone()).or_default() += load.workloads;
            // On the heap: the stream moves what it is given.
            running.push(Box::pin(async { (load, run(task).await) }));
        }
        let Some((load, result)) = running.next().await else {
            return waiting.into();
        };
        if let Some(count) = busy.get_mut(&load.instance) {
            *count -= load.workloads;
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

    fn of(instance: &str, workloads: usize) -> Load {
        Load {
            instance: instance.to_owned(),
            workloads,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_allowed_and_all_come_to_an_end() {
        let under_way = RefCell::new(HashMap::<String, usize>::new());
        let (most, most_of_one) = (Cell::new(0), Cell::new(0));
        let instance = |task: &usize| format!("svc-{}", task % 3);
        let load = |task: &usize| of(&instance(task), 1);
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
        let left = drive(0..100, LIMITS, load, run, |()| {
            done += 1;
            End::Fine
        });
        assert_eq!(left.await, Vec::<usize>::new());
        assert_eq!((done, most.get(), most_of_one.get()), (100, 4, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_counts_by_its_workloads_and_the_largest_runs_alone() {
        let most = Cell::new(0);
        let under_way = Cell::new(0);
        let run = async |workloads: usize| {
            under_way.set(under_way.get() + workloads);
            if workloads > 4 {
                assert_eq!(under_way.get(), workloads);
            } else {
                most.set(most.get().max(under_way.get()));
            }
            sleep(Duration::from_millis(1)).await;
            under_way.set(under_way.get() - workloads);
        };
        let limits = Limits {
            of_one_instance: 4,
            ..LIMITS
        };
        let left = drive(
            [3, 1, 2, 2, 2, 9],
            limits,
            |workloads| of("svc", *workloads),
            run,
            |()| End::Fine,
        );
        assert!(left.await.is_empty());
        assert_eq!((most.get(), under_way.get()), (4, 0));
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
        let left = drive(
            1..=20,
            limits,
            |task| of(&task.to_string(), 1),
            run,
            |task| {
                done.push(task);
                if task <= 2 { End::Failed } else { End::Fine }
            },
        );
        let left = left.await;
        // Two fail; the others that were begun beside them end well.
        assert_eq!(done, [1, 2, 3, 4, 5]);
        assert_eq!(left, (6..=20).collect::<Vec<_>>());
    }
}
