//! How a command fails, and the exit code that says so.

use std::path::Path;

use sexton_core::{
    catalog, config,
    db::{self, ConnectError},
    ledger::OpenError,
};

use crate::{daemon::StartError, requests::RequestError};

pub(super) type Result<T = ()> = std::result::Result<T, Error>;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Bad usage or configuration: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Not found, or not in a state that allows it: exit code 3.
    #[error("{0}")]
    NotFound(String),
    /// Anything else: exit code 1.
    #[error("{}", once(.0))]
    Failed(#[from] anyhow::Error),
}

/// An error with its causes, each said once: many name their cause themselves.
fn once(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

impl Error {
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
        }
    }

    /// Sorts errors of the start. Faults of the configuration are named with its file.
    pub(super) fn start(error: StartError, config: &Path) -> Self {
        let config = config.display();
        match error {
            StartError::Catalog(error) => Self::catalog(error, &config.to_string()),
            StartError::Open(OpenError::NotMigrated { .. } | OpenError::Outdated { .. }) => {
                Self::Usage(format!("{config}: database.url: {error}"))
            }
            StartError::Connect(ConnectError::Url) | StartError::Drift(_) | StartError::Queue(_) => {
                Self::Usage(prefix(&config.to_string(), &error.to_string()))
            }
            error => Self::Failed(error.into()),
        }
    }

    pub(super) fn catalog(error: catalog::Error, config: &str) -> Self {
        match error {
            catalog::Error::Problems(_) => Self::Usage(prefix(config, &error.to_string())),
            catalog::Error::Database { .. } => Self::Failed(error.into()),
        }
    }
}

/// Every line of `message` with the file it is about.
fn prefix(config: &str, message: &str) -> String {
    message.lines().map(|line| format!("{config}: {line}")).collect::<Vec<_>>().join("\n        ")
}

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Missing { .. } => Self::NotFound(error.to_string()),
            RequestError::Database(error) => error.into(),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}
