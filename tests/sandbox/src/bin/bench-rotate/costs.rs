//! What a command costs for each gateway, by the number of gateways.

use std::fmt;
use std::time::Duration;

use crate::measure::{Sample, cpu, memory, wall};
use crate::table::{markdown, mebibytes, time};

const HEAD: [&str; 7] = [
    "command",
    "gateways",
    "time",
    "per gateway",
    "CPU",
    "per gateway",
    "peak memory",
];

/// One row for each command and number of gateways.
#[derive(Default)]
pub(crate) struct Costs {
    rows: Vec<Row>,
}

struct Row {
    command: &'static str,
    gateways: usize,
    cells: [String; HEAD.len()],
}

impl Costs {
    pub(crate) fn add(&mut self, command: &'static str, gateways: usize, samples: &[Sample]) {
        let (wall, cpu) = (wall(samples), cpu(samples));
        let cells = [
            command.to_owned(),
            gateways.to_string(),
            time(wall),
            share(wall, gateways),
            time(cpu),
            share(cpu, gateways),
            mebibytes(memory(samples)),
        ];
        self.rows.push(Row {
            command,
            gateways,
            cells,
        });
        self.rows.sort_by_key(|row| (row.command, row.gateways));
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| row.cells.each_ref().map(String::as_str))
            .collect();
        markdown(f, HEAD, &rows)
    }
}

/// The part of one gateway in the cost of all.
fn share(all: Duration, gateways: usize) -> String {
    let gateways = u32::try_from(gateways).unwrap_or(u32::MAX).max(1);
    format!("{:.2} ms", (all / gateways).as_secs_f64() * 1000.0)
}
