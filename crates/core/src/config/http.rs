//! `[http]`: how long a client of the console or the API may take, and how many are served at once.

use std::time::Duration;

use serde::Deserialize;

use super::{
    check::{InvalidSetting, ensure, ensure_between},
    duration,
};

/// Shorter deadlines cut off clients that are merely far away.
const LEAST_DEADLINE: Duration = Duration::from_millis(100);

/// `[http]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The most connections at each address; an eighth of the process's file descriptors, at most 256, when left out.
    pub max_connections: Option<usize>,
    /// The time that a client has for the header of its first request.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// The time that it has for the body of a request.
    #[serde(with = "duration")]
    pub body_timeout: Duration,
    /// The time after which a request is answered with 503, whatever it waits for.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// The time that a client has to take an answer and to begin its next request.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
}

impl Http {
    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        if let Some(connections) = self.max_connections {
            ensure_between("http.max_connections", connections, 4, 10_000)?;
        }
        let deadlines = [
            ("http.header_timeout", self.header_timeout),
            ("http.body_timeout", self.body_timeout),
            ("http.request_timeout", self.request_timeout),
            ("http.idle_timeout", self.idle_timeout),
        ];
        for (path, deadline) in deadlines {
            ensure(deadline >= LEAST_DEADLINE, path, || "it must be at least 100ms".to_owned())?;
        }
        Ok(())
    }
}
