//! Why the configured tables cannot be resolved.

use super::ConfigProblem;
use crate::{db, ids::ResourceName};

/// Why the tables cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration does not fit the database. All that is wrong, each with its key path and remedy.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<ConfigProblem>),
    /// The database did not answer.
    #[error("cannot resolve resource `{resource}`: {source}")]
    Database {
        /// The resource whose table was being looked up.
        resource: ResourceName,
        /// What was being read, and what the database said.
        source: db::Error,
    },
}

impl Error {
    /// For `map_err`: the database failed while `resource` was being resolved.
    pub(super) fn resolving(resource: &ResourceName) -> impl FnOnce(db::Error) -> Self {
        |source| Self::Database { resource: resource.clone(), source }
    }
}
