//! Tables as kubectl prints them: no borders, upper-case heads, columns from
//! the left margin on.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ColumnConstraint, Table, Width};

use crate::model::one_line;

/// What a cell tells by its colour besides its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Caution,
    Bad,
}

/// The text of one cell. Names and messages of servers may hold escape codes,
/// which a terminal must not obey.
pub(super) fn cell(text: &str, tone: Tone) -> Cell {
    let cell = Cell::new(one_line(text));
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::Green),
        Tone::Caution => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
    }
}

/// The widths of the columns of a table, for rows that follow it later.
pub(super) type Widths = Vec<u16>;

/// Renders rows under their heads; without heads where those are left out.
/// No column becomes narrower than in `widths`, which are then updated.
pub(super) fn render(heads: Option<&[&str]>, rows: Vec<Vec<Cell>>, widths: &mut Widths) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).enforce_styling();
    table.style_text_only();
    if let Some(heads) = heads {
        table.set_header(heads.iter().copied());
    }
    table.add_rows(rows);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, GAP));
        if let Some(width) = widths.get(at) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(*width + GAP)));
        }
    }
    let now = table.column_max_content_widths();
    widths.resize(now.len(), 0);
    for (width, now) in widths.iter_mut().zip(now) {
        *width = now.max(*width);
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// The space between two columns, as kubectl has it.
const GAP: u16 = 3;
