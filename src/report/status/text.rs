use super::describe::describe;
use super::rows::StatusReport;
use super::table::Columns;
use super::{prometheus, table};
use crate::error::Result;
use crate::model::request::StatusFormat;
use crate::report::rotation::to_json;
use crate::yaml::to_yaml;

impl StatusReport {
    /// The report as text, with a line feed at the end unless it is empty.
    pub fn render(&self, format: StatusFormat) -> Result<String> {
        match format {
            StatusFormat::Table | StatusFormat::Wide => {
                Ok(table::table(self, Columns::of(format), self.options.width))
            }
            StatusFormat::Name => Ok(self.names()),
            StatusFormat::Prometheus => Ok(prometheus::metrics(self)),
            StatusFormat::Yaml => to_yaml(&self.list()),
            StatusFormat::Json => to_json(&self.list()),
        }
    }

    /// The gateway with everything that is known of it, if it is the only one.
    pub fn in_full(&self) -> Option<String> {
        match self.rows.as_slice() {
            [row] => Some(describe(row, &self.options.connection, self.now)),
            _ => None,
        }
    }

    pub(super) fn names(&self) -> String {
        let names: Vec<String> = self
            .rows
            .iter()
            .map(|row| row.facts.workload.to_string())
            .collect();
        names.iter().flat_map(|name| [name.as_str(), "\n"]).collect()
    }
}
