use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::cli::variable_of;
use crate::environment::Environment;
use crate::model::{Source, Sourced};

/// The parsed command line, and the variables that complete it.
pub struct Typed<'a> {
    pub matches: &'a ArgMatches,
    pub environment: &'a Environment,
}

impl Typed<'_> {
    /// The value of a flag, or else of the first variable that is set.
    pub fn text(&self, long: &str, value: Option<&String>, variables: &[&str]) -> Option<Sourced<String>> {
        let value = value.filter(|value| !value.is_empty());
        match value {
            Some(value) => Some(Sourced::new(value.clone(), self.flag_or_its_variable(long))),
            None => self.variable(variables),
        }
    }

    pub fn variable(&self, variables: &[&str]) -> Option<Sourced<String>> {
        let found = |name: &&str| {
            Some(Sourced::new(
                self.environment.get(name)?.to_owned(),
                variable(name),
            ))
        };
        variables.iter().find_map(found)
    }

    pub fn flag_or_its_variable(&self, long: &str) -> Source {
        match self.matches.value_source(&long.replace('-', "_")) {
            Some(ValueSource::EnvVariable) => Source::Variable(variable_of(long)),
            _ => Source::Flag(long.to_owned()),
        }
    }

    pub fn is_default(&self, long: &str) -> bool {
        self.matches.value_source(&long.replace('-', "_")) == Some(ValueSource::DefaultValue)
    }
}

pub fn variable(name: &str) -> Source {
    Source::Variable(name.to_owned())
}

pub fn check_name(name: &str) -> Result<(), String> {
    crate::cluster::valid_name(name).map_err(|error| error.to_string())
}
