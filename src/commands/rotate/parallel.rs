//! Runs rotations concurrently within limits, and stops after failures.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

/// Limits on concurrent restarts of workloads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) restarts: usize,
    /// Each new pod downloads its whole configuration from the instance.
    pub(super) restarts_per_instance: usize,
}

/// The restarts of one task, which count against the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Restarts {
    /// The API Management instance.
    pub(super) instance: String,
    /// Tasks with a common workload do not run concurrently, since each would
    /// mistake the other's restart for a foreign change.
    pub(super) workloads: BTreeSet<String>,
}

impl Restarts {
    /// Whether the limits allow these restarts beside the running ones.
    fn fit(&self, running: &[Self], limits: Limits) -> bool {
        let count = |restarts: &mut dyn Iterator<Item = &Self>| restarts.map(|of| of.workloads.len()).sum();
        let all: usize = count(&mut running.iter());
        let of_instance: usize = count(&mut running.iter().filter(|of| of.instance == self.instance));
        let fits = |running: usize, limit: usize| running == 0 || running + self.workloads.len() <= limit;
        fits(all, limits.restarts)
            && fits(of_instance, limits.restarts_per_instance)
            && running.iter().all(|of| of.workloads.is_disjoint(&self.workloads))
    }
}

/// Runs the tasks in order, as far as the limits allow, and passes each result
/// to `finished`. After a `Break` no other task starts. Running tasks are always
/// completed. A task that exceeds a limit runs alone. Returns the tasks that were
/// not started.
pub(super) async fn run_all<T, R>(
    tasks: impl IntoIterator<Item = T>,
    limits: Limits,
    restarts: impl Fn(&T) -> Restarts,
    run: impl AsyncFn(T) -> R,
    mut finished: impl FnMut(R) -> ControlFlow<()>,
) -> Vec<T> {
    let mut waiting: VecDeque<T> = tasks.into_iter().collect();
    let mut futures = FuturesUnordered::new();
    let mut running: Vec<Restarts> = Vec::new();
    let mut stopped = false;
    loop {
        loop {
            let fits = |task: &T| !stopped && restarts(task).fit(&running, limits);
            let Some(task) = waiting.iter().position(fits).and_then(|at| waiting.remove(at)) else {
                break;
            };
            let restarts = restarts(&task);
            running.push(restarts.clone());
            // Boxed, because the stream moves its futures.
            futures.push(Box::pin(async { (restarts, run(task).await) }));
        }
        let Some((restarts, result)) = futures.next().await else {
            return waiting.into();
        };
        if let Some(at) = running.iter().position(|other| *other == restarts) {
            running.swap_remove(at);
        }
        stopped |= finished(result).is_break();
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
        restarts: 4,
        restarts_per_instance: 2,
    };

    /// The restarts of a task with workloads of its own.
    fn restarts(instance: &str, task: &str, workloads: usize) -> Restarts {
        Restarts {
            instance: instance.to_owned(),
            workloads: (0..workloads).map(|number| format!("{task}-{number}")).collect(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_limits_hold_and_all_tasks_finish() {
        let running = RefCell::new(HashMap::<String, usize>::new());
        let (max, max_of_one) = (Cell::new(0), Cell::new(0));
        let instance = |task: &usize| format!("svc-{}", task % 3);
        let restarts_of = |task: &usize| restarts(&instance(task), &task.to_string(), 1);
        let run = async |task: usize| {
            {
                let mut running = running.borrow_mut();
                *running.entry(instance(&task)).or_default() += 1;
                max.set(max.get().max(running.values().sum()));
                max_of_one.set(max_of_one.get().max(*running.values().max().unwrap_or(&0)));
            }
            sleep(Duration::from_millis(task as u64 % 7)).await;
            *running.borrow_mut().entry(instance(&task)).or_default() -= 1;
        };
        let mut done = 0;
        let left = run_all(0..100, LIMITS, restarts_of, run, |()| {
            done += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(left.await, Vec::<usize>::new());
        assert_eq!((done, max.get(), max_of_one.get()), (100, 4, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_counts_by_its_workloads_and_the_largest_runs_alone() {
        let max = Cell::new(0);
        let running = Cell::new(0);
        let run = async |(_, workloads): (usize, usize)| {
            running.set(running.get() + workloads);
            if workloads > 4 {
                assert_eq!(running.get(), workloads);
            } else {
                max.set(max.get().max(running.get()));
            }
            sleep(Duration::from_millis(1)).await;
            running.set(running.get() - workloads);
        };
        let limits = Limits {
            restarts_per_instance: 4,
            ..LIMITS
        };
        let left = run_all(
            [3, 1, 2, 2, 2, 9].into_iter().enumerate(),
            limits,
            |(task, workloads)| restarts("svc", &task.to_string(), *workloads),
            run,
            |()| ControlFlow::Continue(()),
        );
        assert!(left.await.is_empty());
        assert_eq!((max.get(), running.get()), (4, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn two_tasks_of_one_workload_run_one_after_the_other() {
        let running = Cell::new(0);
        let run = async |_: usize| {
            running.set(running.get() + 1);
            assert_eq!(running.get(), 1);
            sleep(Duration::from_millis(1)).await;
            running.set(0);
        };
        let restarts_of = |task: &usize| restarts(&format!("svc-{task}"), "shared", 1);
        assert!(
            run_all(0..3, LIMITS, restarts_of, run, |()| ControlFlow::Continue(()))
                .await
                .is_empty()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_break_running_tasks_finish_and_no_other_starts() {
        let run = async |task: usize| {
            sleep(Duration::from_millis(task as u64)).await;
            task
        };
        let mut done = Vec::new();
        let left = run_all(
            1..=20,
            LIMITS,
            |task| restarts(&task.to_string(), &task.to_string(), 1),
            run,
            |task| {
                done.push(task);
                if task == 2 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        );
        let left = left.await;
        // Those that ran beside the second are completed.
        assert_eq!(done, [1, 2, 3, 4, 5]);
        assert_eq!(left, (6..=20).collect::<Vec<_>>());
    }
}
