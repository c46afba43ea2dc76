//! A mistake in the configuration, or in what it needs of the database.

use std::fmt;

use serde::Serialize;

/// Where it is, what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigProblem {
    /// Key path in `sexton.toml`.
    pub path: String,
    /// What is wrong, and the remedy.
    pub message: String,
}

impl ConfigProblem {
    /// What is wrong at a key path.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
