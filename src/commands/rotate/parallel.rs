//! Which gateways are under way at once, and when no other is begun.

use std::collections::{BTreeSet, VecDeque};

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
    /// The workloads that the task restarts. Two tasks of one workload would
    /// each take the other's restart for somebody else's.
    pub(super) workloads: BTreeSet<String>,
}

impl Load {
    /// Whether it may begin beside those that are under way.
    fn fits(&self, busy: &[Self], limits: Limits) -> bool {
        let more = self.workloads.len();
        let under_way = |loads: &mut dyn Iterator<Item = &Self>| loads.map(|load| load.workloads.len()).sum();
        let all: usize = under_way(&mut busy.iter());
        let of_instance: usize = under_way(&mut busy.iter().filter(|load| load.instance == self.instance));
        let room = |under_way: usize, limit: usize| under_way == 0 || under_way + more <= limit;
        room(all, limits.all)
            && room(of_instance, limits.of_one_instance)
            && busy
                .iter()
                .all(|load| load.workloads.is_disjoint(&self.workloads))
    }
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
    let mut busy: Vec<Load> = Vec::new();
    let mut failures = 0;
    loop {
        loop {
            let fits = |task: &T| failures < limits.failures && load(task).fits(&busy, limits);
            let Some(task) = waiting.iter().position(fits).and_then(|at| waiting.remove(at)) else {
                break;
            };
            let load = load(&task);
            busy.push(load.clone());
            // On the heap: the stream moves what it is given.
            running.push(Box::pin(async { (load, run(task).await) }));
        }
        let Some((load, result)) = running.next().await else {
            return waiting.into();
        };
        if let Some(at) = busy.iter().position(|other| *other == load) {
            busy.swap_remove(at);
        }
        if ended(result) == End::Failed {
            failures += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::HashMap;
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    const LIMITS: Limits = Limits {
        all: 4,
        of_one_instance: 2,
        failures: usize::MAX,
    };

    /// The load of a task that restarts workloads of its own.
    fn of(instance: &str, task: &str, workloads: usize) -> Load {
        Load {
            instance: instance.to_owned(),
            workloads: (0..workloads).map(|number| format!("{task}-{number}")).collect(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_allowed_and_all_come_to_an_end() {
        let under_way = RefCell::new(HashMap::<String, usize>::new());
        let (most, most_of_one) = (Cell::new(0), Cell::new(0));
        let instance = |task: &usize| format!("svc-{}", task % 3);
        let load = |task: &usize| of(&instance(task), &task.to_string(), 1);
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
        let run = async |(_, workloads): (usize, usize)| {
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
            [3, 1, 2, 2, 2, 9].into_iter().enumerate(),
            limits,
            |(task, workloads)| of("svc", &task.to_string(), *workloads),
            run,
            |()| End::Fine,
        );
        assert!(left.await.is_empty());
        assert_eq!((most.get(), under_way.get()), (4, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn two_tasks_of_one_workload_run_one_after_the_other() {
        let under_way = Cell::new(0);
        let run = async |_: usize| {
            under_way.set(under_way.get() + 1);
            assert_eq!(under_way.get(), 1);
            sleep(Duration::from_millis(1)).await;
            under_way.set(0);
        };
        let load = |task: &usize| of(&format!("svc-{task}"), "shared", 1);
        assert!(drive(0..3, LIMITS, load, run, |()| End::Fine).await.is_empty());
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
            |task| of(&task.to_string(), &task.to_string(), 1),
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
