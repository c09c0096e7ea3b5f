//! The page of all figures, with what a reader must know to trust them.

use std::fmt;
use std::time::Duration;

use crate::bench::{SCRIPT_CPU, SCRIPT_WALL, Single};
use crate::distance::{chain, floor};
use crate::fleet::{Figures, PAIRS, ROTATIONS, Rotations};
use crate::measure::{cpu, memory, wall};
use crate::table::{Table, markdown, mebibytes, megabytes, time};

/// What was measured; a part may be left out of a run.
pub(crate) struct Report {
    pub(crate) single: Option<Single>,
    pub(crate) fleet: Option<Figures>,
}

impl Report {
    /// Whether every target is met.
    pub(crate) fn is_met(&self) -> bool {
        self.tables().all(Table::is_met)
    }

    /// The page, if nothing was left out.
    pub(crate) fn document(&self, machine: &str, pairs: usize) -> Option<String> {
        let (single, fleet) = (self.single.as_ref()?, self.fleet.as_ref()?);
        let parts = [
            introduction(single, fleet, machine),
            one_rotation(single),
            a_fleet(fleet),
            method(pairs),
            targets(single, fleet),
        ];
        Some(parts.join("\n"))
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        let single = self.single.iter().map(|single| &single.table);
        single.chain(self.fleet.iter().map(|fleet| &fleet.table))
    }
}

/// On a terminal every figure is shown beside its target.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables().try_for_each(|table| write!(f, "\n{table}"))?;
        match &self.fleet {
            Some(fleet) => write!(f, "\n{}", fleet.costs),
            None => Ok(()),
        }
    }
}

fn introduction(single: &Single, fleet: &Figures, machine: &str) -> String {
    let (rotate, get) = (&single.rotations, &single.gets);
    format!(
        "# Benchmarks

What `kubectl apim` costs, beside kubectl on the same server and beside the script that it replaces.

- **One rotation** takes {rotation} and {rotation_cpu} of CPU: {faster} of the time of `kubectl get secret`, and {less} of
  its CPU. The script [`apim-shg-rotate`](from-the-script.md) takes {script}, {times:.0} times as long.
- **1,000 gateways** of one subscription are rotated in {polite}, or in {burst} with `--burst`. The limits of Azure allow
  no less than 105 s and 80 s.
- **The status** of 1,000 gateways with 5,000 pods takes {status}: {listed} of the time of `kubectl get pods -A`.

Measured on {machine}.

The API server is real. Azure is an emulator on the same machine, so the latency of Azure and of the network, which comes
on top in real life, is next to nothing here.
",
        rotation = time(wall(rotate)),
        rotation_cpu = time(cpu(rotate)),
        faster = share(wall(rotate), wall(get)),
        less = share(cpu(rotate), cpu(get)),
        script = time(SCRIPT_WALL),
        times = SCRIPT_WALL.div_duration_f64(wall(rotate)),
        polite = time(wall(&fleet.polite.samples)),
        burst = time(wall(&fleet.burst.samples)),
        status = time(wall(&fleet.lists.status)),
        listed = share(wall(&fleet.lists.status), wall(&fleet.lists.pods)),
    )
}

fn one_rotation(single: &Single) -> String {
    let costs = |command: &str, samples: &[_]| {
        [
            command.to_owned(),
            time(wall(samples)),
            time(cpu(samples)),
            mebibytes(memory(samples)),
        ]
    };
    let costs = Markdown {
        head: ["command", "time", "CPU", "peak memory"],
        rows: vec![
            costs("`kubectl apim rotate`", &single.rotations),
            costs("`kubectl get secret`", &single.gets),
            [
                "`apim-shg-rotate`".to_owned(),
                time(SCRIPT_WALL),
                time(SCRIPT_CPU),
                "not measured".to_owned(),
            ],
        ],
    };
    let requests = &single.requests;
    let counted = |what: &str, azure: usize, kubernetes: usize| {
        [what.to_owned(), azure.to_string(), kubernetes.to_string()]
    };
    let requests = Markdown {
        head: [
            "run",
            "requests to Azure Resource Manager",
            "requests to Kubernetes",
        ],
        rows: vec![
            counted(
                "workload, Secret, gateway and instance are named",
                requests.named.0,
                requests.named.1,
            ),
            counted("only the namespace is named", requests.bare.0, requests.bare.1),
            counted("the token is not due", requests.not_due.0, requests.not_due.1),
        ],
    };
    format!(
        "## One rotation

{costs}
A rotation signs in, mints a token, writes it to the Secret and restarts the workload. The time is that of the whole
process. Waiting for the new pods is left out (`--no-wait`), because that time is the gateway's own.

{requests}
The binary is {size}, and `--version` takes {version}.

### At a distance

With a network of 50 ms to Azure and back, and of 20 ms to the API server, the same rotation takes {given} with `--cloud`,
and {found} if it takes the cloud from the endpoint. It takes at least {floor}, because these round trips wait for each
other:

{chain}
The measurement reaches Azure through a proxy, which is one round trip more than without one. A rotation that is not due
connects to Azure only when it knows that it is needed.
",
        given = time(single.distance.given()),
        found = time(single.distance.found()),
        floor = time(floor()),
        chain = chain(),
        size = megabytes(single.binary),
        version = time(single.version),
    )
}

fn a_fleet(fleet: &Figures) -> String {
    let paced = |command: &str, least: &str, rotations: &Rotations| {
        [
            command.to_owned(),
            time(wall(&rotations.samples)),
            least.to_owned(),
            rotations.throttled.to_string(),
            mebibytes(memory(&rotations.samples)),
        ]
    };
    let paced = Markdown {
        head: [
            "command",
            "time",
            "least possible",
            "throttled requests",
            "peak memory",
        ],
        rows: vec![
            paced("`rotate -A`", "105 s", &fleet.polite),
            paced("`rotate -A --burst`", "80 s", &fleet.burst),
        ],
    };
    format!(
        "## A fleet

1,000 gateways of 40 API Management instances, all in one subscription:

{paced}
Azure Resource Manager grants a principal 200 writes at once in a subscription, and then 10 more each second. A token is
one write, so 1,000 tokens take at least 80 s. By default a run leaves a fifth of this to others, and then the least is
105 s. A throttled request is one that Azure refuses because there were too many.

If each instance is in a subscription of its own, the limit plays no part, and the rest is work: of the program, of the
API server and of the emulator, which share the cores of the machine. Beside it, the status and the list of all pods:

{costs}",
        costs = fleet.costs,
    )
}

fn method(pairs: usize) -> String {
    format!(
        "## How it was measured

- **One rotation** is `kubectl-apim rotate --force --no-wait` with every name given by flags, from the start of the
  process to its end. `kubectl get secret` runs in turn with it, against the same API server, {pairs} times each after two
  that do not count. Times and CPU are medians, memory is the largest of all runs. The program is a copy of the file that
  was built, as every way to install it makes one.
- **The script's** time and CPU are of an earlier measurement, which is not repeated.
- **The fleet** has 25 gateways for each instance, five pods for each gateway, and a namespace for each instance. Its API
  server runs without controllers, scheduler and nodes: pods and statuses are written as these would write them, and
  nothing else uses the machine meanwhile.
- **The status** is `kubectl-apim status -A`. It runs in turn with `kubectl get pods -A`, {PAIRS} times each after two that
  do not count. The medians count.
- **The rotation of a fleet** is `kubectl-apim rotate -A --no-wait --yes`. Before each run all gateways are as if they
  were never rotated, so each of them gets a token, a write and a restart, which is counted afterwards. The principal is
  new, so Azure grants it all that it grants at once, and the emulator enforces the limits as Azure does. The two runs in
  one subscription are made once each, the others {ROTATIONS} times, and the medians count.

Repeat it from a clone of this repository, on a machine that does nothing else. It needs what `cargo demo` needs, builds
the program for release, and writes this page:

```console
$ cargo bench-rotate --write
```
"
    )
}

fn targets(single: &Single, fleet: &Figures) -> String {
    format!(
        "## Targets

`cargo bench-rotate` fails if a figure misses its target:

{}
{}",
        single.table.page(),
        fleet.table.page()
    )
}

/// A part of a time, as people write it.
fn share(ours: Duration, other: Duration) -> String {
    format!("{:.0} %", ours.div_duration_f64(other) * 100.0)
}

/// A table of texts.
struct Markdown<const COLUMNS: usize> {
    head: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> fmt::Display for Markdown<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| row.each_ref().map(String::as_str))
            .collect();
        markdown(f, self.head, &rows)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bench::Requests;
    use crate::costs::Costs;
    use crate::distance::Distance;
    use crate::fleet::Lists;
    use crate::measure::Sample;
    use crate::table::{MIB, Row};

    fn samples(wall: f64, cpu: f64, mebibytes: u32) -> Vec<Sample> {
        vec![Sample {
            wall: Duration::from_secs_f64(wall / 1000.0),
            cpu: Duration::from_secs_f64(cpu / 1000.0),
            memory: u64::from(mebibytes) * MIB,
        }]
    }

    fn report() -> Report {
        let mut costs = Costs::default();
        for gateways in [10, 100, 1000] {
            for command in ["`kubectl get pods -A`", "`rotate -A --burst`", "`status -A`"] {
                costs.add(command, gateways, &samples(50.0, 50.0, 12));
            }
        }
        let table = |beside, what: &[&str]| Table {
            beside,
            rows: what.iter().map(|what| Row::count(what, 3, 2)).collect(),
        };
        let paced = |wall| Rotations {
            samples: samples(wall, 800.0, 25),
            throttled: 0,
        };
        Report {
            single: Some(Single {
                rotations: samples(20.0, 5.0, 11),
                gets: samples(40.0, 50.0, 48),
                version: Duration::from_micros(1400),
                binary: 10_740_000,
                requests: Requests {
                    named: (2, 7),
                    bare: (3, 9),
                    not_due: (0, 2),
                },
                distance: Distance::new(samples(300.0, 5.0, 11), samples(310.0, 5.0, 11)),
                table: table("kubectl get secret", &["a"]),
            }),
            fleet: Some(Figures {
                lists: Lists {
                    status: samples(800.0, 300.0, 32),
                    pods: samples(1000.0, 1200.0, 262),
                },
                burst: paced(80_340.0),
                polite: paced(105_150.0),
                table: table("kubectl get pods -A", &["b"]),
                costs,
            }),
        }
    }

    #[test]
    fn the_page_explains_the_figures() {
        let page = report().document("2 cores", 20).unwrap();
        for text in [
            "takes 20.0 ms and 5.0 ms of CPU: 50 % of the time of `kubectl get secret`, and 10 % of",
            "takes 3.50 s, 175 times as long",
            "are rotated in 105.15 s, or in 80.34 s with `--burst`",
            "takes 800.0 ms: 80 % of the time of `kubectl get pods -A`",
            "Measured on 2 cores.",
            "| `apim-shg-rotate`     | 3.50 s  | 3.40 s  | not measured |",
            "| only the namespace is named                      | 3                                  | 9 ",
        ] {
            assert!(page.contains(text), "{text}\n{page}");
        }
    }

    /// A missed target fails the bench, on whose terminal it stands out. The
    /// page is for readers, who compare.
    #[test]
    fn the_terminal_shows_missed_targets_and_the_page_the_targets() {
        let report = report();
        assert!(!report.is_met());
        assert!(
            report
                .to_string()
                .contains("| a    | 3            |                    | ≤ 2    | NO  |")
        );
        let page = report.document("2 cores", 20).unwrap();
        assert!(
            page.contains("| a    | 3            |                    | ≤ 2    |\n"),
            "{page}"
        );
        assert!(!page.contains("NO"), "{page}");
    }

    /// The text without what differs from run to run.
    fn prose(page: &str) -> Vec<&str> {
        page.lines()
            .filter(|line| !line.starts_with('|') && !line.contains(|letter: char| letter.is_ascii_digit()))
            .collect()
    }

    #[test]
    fn the_page_in_the_repository_is_of_this_form() {
        let kept = Path::new(crate::DOCUMENT);
        let kept = std::fs::read_to_string(kept).unwrap();
        let fresh = report().document("2 cores", 20).unwrap();
        assert_eq!(
            prose(&kept),
            prose(&fresh),
            "write docs/benchmarks.md anew, by cargo bench-rotate --write"
        );
    }

    #[test]
    fn a_part_that_was_left_out_leaves_no_page() {
        let report = Report {
            fleet: None,
            ..report()
        };
        assert_eq!(report.document("2 cores", 20), None);
    }
}
