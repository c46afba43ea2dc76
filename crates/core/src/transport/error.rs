//! What can go wrong between a process and Redis. No message contains a password: a URL is named by its address only.

use std::time::Duration;

use crate::config::QUEUE_NAME;

/// Why a call to the queue failed. None of these harms a deletion: the ledger is the truth.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be read. The URL itself is not repeated, since it may carry a password.
    #[error("the queue's URL cannot be used: {reason}; write it like redis://[user[:password]@]host[:port][/db]")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The queue's name cannot be part of a Redis key.
    #[error("`{name}` is not a queue name: {QUEUE_NAME}")]
    Name {
        /// The refused name.
        name: String,
    },
    /// No connection could be made, or Redis refused the credentials.
    #[error("cannot connect to Redis at {address}: {source}")]
    Connect {
        /// Host and port, or the socket's path.
        address: String,
        /// What the client or the server said.
        source: redis::RedisError,
    },
    /// Redis answered with an error, or the connection broke.
    #[error("cannot {action} in Redis at {address}: {source}")]
    Command {
        /// What was being done.
        action: &'static str,
        /// Host and port, or the socket's path.
        address: String,
        /// What the client or the server said.
        source: redis::RedisError,
    },
    /// Redis did not answer in time.
    #[error("cannot {action} in Redis at {address}: no answer within {timeout:?}")]
    Timeout {
        /// What was being done.
        action: &'static str,
        /// Host and port, or the socket's path.
        address: String,
        /// How long the call waited, connecting included.
        timeout: Duration,
    },
    /// A hint could not be written as JSON.
    #[error("cannot encode a hint: {0}")]
    Encode(#[from] serde_json::Error),
}

impl Error {
    /// What Redis or the client said, when that is the cause.
    #[must_use]
    pub fn redis(&self) -> Option<&redis::RedisError> {
        match self {
            Self::Connect { source, .. } | Self::Command { source, .. } => Some(source),
            _ => None,
        }
    }
}
