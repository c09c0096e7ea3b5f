//! The figures with their bounds, as a table in Markdown.

use std::fmt;
use std::time::Duration;

const HEAD: [&str; 5] = ["what", "kubectl-apim", "kubectl get secret", "must", "met"];

/// All figures.
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

/// One figure and its bound.
pub(crate) struct Row {
    what: String,
    ours: String,
    kubectl: String,
    must: String,
    met: bool,
}

impl Row {
    /// A time that may be so large a part of kubectl's.
    pub(crate) fn beside(what: &str, ours: Duration, kubectl: Duration, limit: f64) -> Self {
        let ratio = ours.div_duration_f64(kubectl);
        Self {
            ours: format!("{} ({ratio:.2} ×)", millis(ours)),
            kubectl: millis(kubectl),
            ..Self::new(what, format!("≤ {limit} × kubectl"), ratio <= limit)
        }
    }

    /// A time that must be so many times less than another.
    pub(crate) fn faster(what: &str, ours: Duration, other: Duration, times: f64) -> Self {
        let ratio = other.div_duration_f64(ours);
        Self {
            ours: format!("{ratio:.0} × less"),
            ..Self::new(what, format!("≥ {times} × less"), ratio >= times)
        }
    }

    /// A time with a fixed bound.
    pub(crate) fn at_most(what: &str, ours: Duration, limit: Duration) -> Self {
        Self {
            ours: millis(ours),
            ..Self::new(what, format!("≤ {}", millis(limit)), ours <= limit)
        }
    }

    /// A peak of memory, in bytes.
    pub(crate) fn memory(what: &str, ours: u64, kubectl: u64, limit: u64) -> Self {
        Self {
            ours: mebibytes(ours),
            kubectl: mebibytes(kubectl),
            ..Self::new(what, format!("≤ {}", mebibytes(limit)), ours <= limit)
        }
    }

    /// The size of a file, in bytes.
    pub(crate) fn size(what: &str, ours: u64, limit: u64) -> Self {
        Self {
            ours: megabytes(ours),
            ..Self::new(what, format!("≤ {}", megabytes(limit)), ours <= limit)
        }
    }

    /// A number of requests.
    pub(crate) fn count(what: &str, ours: usize, limit: usize) -> Self {
        let must = match limit {
            0 => "none".to_owned(),
            limit => format!("≤ {limit}"),
        };
        Self {
            ours: ours.to_string(),
            ..Self::new(what, must, ours <= limit)
        }
    }

    fn new(what: &str, must: String, met: bool) -> Self {
        Self {
            what: what.to_owned(),
            ours: String::new(),
            kubectl: String::new(),
            must,
            met,
        }
    }

    fn cells(&self) -> [&str; 5] {
        let met = if self.met { "yes" } else { "NO" };
        [&self.what, &self.ours, &self.kubectl, &self.must, met]
    }
}

impl Table {
    /// Whether every bound is kept.
    pub(crate) fn is_met(&self) -> bool {
        self.rows.iter().all(|row| row.met)
    }

    /// The table with what a reader must know to trust it.
    pub(crate) fn document(&self, machine: &str, pairs: usize) -> String {
        format!(
            "# Benchmarks

Made by `cargo bench-rotate --write` on this machine: {machine}.

{self}
One rotation is `kubectl-apim rotate --force --no-wait` with the target told by flags, from the start of the process
to its end: it signs in, mints, writes the Secret and restarts the workload. Beside it runs `kubectl get secret`
against the same API server, in turn, {pairs} times each after two that do not count. Times and CPU are medians, memory is
the largest of all runs. The API server is a real one, Azure is an emulator on the same machine, so that the servers'
own latency is next to nothing here. A bare rotation is told its namespace and finds everything else.
"
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = std::iter::once(HEAD)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let widths: [usize; 5] = std::array::from_fn(|column| {
            let lengths = rows.iter().map(|cells| cells[column].chars().count());
            lengths.max().unwrap_or_default()
        });
        let mut line = |cells: [&str; 5]| {
            for (cell, width) in cells.iter().zip(widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")
        };
        let rules = widths.map(|width| "-".repeat(width));
        line(HEAD)?;
        line(rules.each_ref().map(String::as_str))?;
        rows[1..].iter().try_for_each(|cells| line(*cells))
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

fn mebibytes(bytes: u64) -> String {
    let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    format!("{:.1} MiB", f64::from(kib) / 1024.0)
}

fn megabytes(bytes: u64) -> String {
    let kilobytes = u32::try_from(bytes / 1000).unwrap_or(u32::MAX);
    format!("{:.2} MB", f64::from(kilobytes) / 1000.0)
}
