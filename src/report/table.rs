//! Tables in the style of kubectl: no borders, upper-case headers, no indent.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ColumnConstraint, Table, Width};

use crate::model::one_line;

/// The severity of a cell's content, shown as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    None,
    Good,
    Warning,
    Bad,
}

/// One cell. Names and messages from servers may contain escape codes, which
/// must not reach a terminal.
pub(super) fn cell(text: &str, severity: Severity) -> Cell {
    let cell = Cell::new(one_line(text));
    match severity {
        Severity::None => cell,
        Severity::Good => cell.fg(Color::Green),
        Severity::Warning => cell.fg(Color::Yellow),
        Severity::Bad => cell.fg(Color::Red),
    }
}

/// The widths of columns, so that later rows align with earlier ones.
pub(super) type Widths = Vec<u16>;

/// Renders rows, below the headers if there are any. No column becomes narrower
/// than in `widths`, which are then updated.
pub(super) fn render(headers: Option<&[&str]>, rows: Vec<Vec<Cell>>, widths: &mut Widths) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).enforce_styling();
    table.style_text_only();
    if let Some(headers) = headers {
        table.set_header(headers.iter().copied());
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

/// The space between two columns, the same as in kubectl.
const GAP: u16 = 3;
