//! The figures with their targets, as a table in Markdown.

use std::fmt;
use std::time::Duration;

pub(crate) const MIB: u64 = 1024 * 1024;

/// Figures that have been compared with those of one command of kubectl.
pub(crate) struct Table {
    pub(crate) beside: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// One figure and its target.
pub(crate) struct Row {
    what: String,
    ours: String,
    kubectl: String,
    target: String,
    met: bool,
}

impl Row {
    /// A time that may be this part of kubectl's.
    pub(crate) fn beside(what: &str, ours: Duration, kubectl: Duration, limit: f64) -> Self {
        let ratio = ours.div_duration_f64(kubectl);
        Self {
            ours: format!("{} ({ratio:.2} ×)", time(ours)),
            kubectl: time(kubectl),
            ..Self::new(what, format!("≤ {limit} × kubectl"), ratio <= limit)
        }
    }

    /// A time that must be this many times less than another.
    pub(crate) fn faster(what: &str, ours: Duration, other: Duration, times: f64) -> Self {
        let ratio = other.div_duration_f64(ours);
        Self {
            ours: format!("{ratio:.0} × less"),
            ..Self::new(what, format!("≥ {times} × less"), ratio >= times)
        }
    }

    /// A time that may be this many times the least possible one.
    pub(crate) fn over_floor(what: &str, ours: Duration, floor: Duration, limit: f64) -> Self {
        let ratio = ours.div_duration_f64(floor);
        Self {
            ours: format!("{} ({ratio:.2} ×)", time(ours)),
            ..Self::new(what, format!("≤ {limit} × {}", time(floor)), ratio <= limit)
        }
    }

    /// A time with a fixed target.
    pub(crate) fn at_most(what: &str, ours: Duration, limit: Duration) -> Self {
        Self {
            ours: time(ours),
            ..Self::new(what, format!("≤ {}", time(limit)), ours <= limit)
        }
    }

    /// A peak of memory, in bytes, and kubectl's where there is one.
    pub(crate) fn memory(what: &str, ours: u64, kubectl: Option<u64>, limit: u64) -> Self {
        Self {
            ours: mebibytes(ours),
            kubectl: kubectl.map(mebibytes).unwrap_or_default(),
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
        let target = match limit {
            0 => "none".to_owned(),
            limit => format!("≤ {limit}"),
        };
        Self {
            ours: ours.to_string(),
            ..Self::new(what, target, ours <= limit)
        }
    }

    fn new(what: &str, target: String, met: bool) -> Self {
        Self {
            what: what.to_owned(),
            ours: String::new(),
            kubectl: String::new(),
            target,
            met,
        }
    }

    fn cells(&self) -> [&str; 5] {
        let met = if self.met { "yes" } else { "NO" };
        [&self.what, &self.ours, &self.kubectl, &self.target, met]
    }
}

impl Table {
    /// Whether every target is met.
    pub(crate) fn is_met(&self) -> bool {
        self.rows.iter().all(|row| row.met)
    }

    /// The figures and targets for the page, where each reader can compare them.
    pub(crate) fn page(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| {
            let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
            let rows: Vec<_> = rows
                .iter()
                .map(|&[what, ours, kubectl, target, _]| [what, ours, kubectl, target])
                .collect();
            markdown(f, ["what", "kubectl-apim", self.beside, "target"], &rows)
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "kubectl-apim", self.beside, "target", "met"];
        let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
        markdown(f, head, &rows)
    }
}

/// Writes a table whose columns are as wide as their widest cell.
pub(crate) fn markdown<const COLUMNS: usize>(
    f: &mut fmt::Formatter<'_>,
    head: [&str; COLUMNS],
    rows: &[[&str; COLUMNS]],
) -> fmt::Result {
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = std::iter::once(&head).chain(rows);
        let lengths = cells.map(|cells| cells[column].chars().count());
        lengths.max().unwrap_or_default()
    });
    let mut line = |cells: [&str; COLUMNS]| {
        for (cell, width) in cells.iter().zip(widths) {
            write!(f, "| {cell:width$} ")?;
        }
        writeln!(f, "|")
    };
    let rules = widths.map(|width| "-".repeat(width));
    line(head)?;
    line(rules.each_ref().map(String::as_str))?;
    rows.iter().try_for_each(|cells| line(*cells))
}

/// A duration in the unit that suits it.
pub(crate) fn time(duration: Duration) -> String {
    if duration >= Duration::from_secs(1) {
        return format!("{:.2} s", duration.as_secs_f64());
    }
    millis(duration)
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    format!("{:.1} MiB", f64::from(kib) / 1024.0)
}

pub(crate) fn megabytes(bytes: u64) -> String {
    let kilobytes = u32::try_from(bytes / 1000).unwrap_or(u32::MAX);
    format!("{:.2} MB", f64::from(kilobytes) / 1000.0)
}
