//! The limits of an address: those of the configuration, within those of the system.

use sexton_core::config::{Config, Http};

use crate::descriptors::descriptors;

/// The most connections of an address that nothing else is said of.
const MOST: usize = 256;
/// With fewer, the probes of Kubernetes and a scrape would be in each other's way.
const FEWEST: usize = 4;
/// Descriptors of the runtime, the standard streams, files that are read, and Redis.
const OTHERS: usize = 32;

/// The limits of one address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The most connections.
    pub(super) connections: usize,
    /// The deadlines.
    pub(super) http: Http,
}

impl Limits {
    /// As configured, and at most a quarter of the process's file descriptors, so that two addresses leave half of them
    /// for calls and the database.
    pub(crate) fn new(http: &Http) -> Self {
        Self { connections: connections(http.max_connections, descriptors()), http: *http }
    }
}

fn connections(configured: Option<usize>, descriptors: Option<usize>) -> usize {
    let descriptors = descriptors.unwrap_or(usize::MAX);
    configured.unwrap_or(MOST.min(descriptors / 8)).min(descriptors / 4).max(FEWEST)
}

/// What to say of a limit of file descriptors under which the configuration cannot work at its full width.
pub(crate) fn descriptor_shortage(config: &Config) -> Option<String> {
    let addresses = if config.api.listen.is_some() { 2 } else { 1 };
    let clients = addresses * Limits::new(&config.http).connections;
    // A call holds one, and a connection that is kept open for the next call holds another one.
    let calls = config.worker.concurrency.saturating_mul(2);
    let needed = calls + config.database.max_connections as usize + 1 + clients + OTHERS;
    let limit = descriptors().filter(|limit| *limit < needed)?;
    Some(format!(
        "the process may open {limit} files, and with worker.concurrency = {} it may need {needed}: raise the limit \
         (ulimit -n, LimitNOFILE), or calls will wait for free descriptors",
        config.worker.concurrency
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_far_below_the_descriptors() {
        for (configured, descriptors, connections_of_an_address) in [
            (None, None, MOST),
            (None, Some(1_048_576), MOST),
            (None, Some(1024), 128),
            (None, Some(200), 25),
            (None, Some(16), FEWEST),
            (Some(1000), Some(1024), 256),
            (Some(10), Some(1024), 10),
            (Some(1000), None, 1000),
        ] {
            assert_eq!(
                connections(configured, descriptors),
                connections_of_an_address,
                "{configured:?} {descriptors:?}"
            );
        }
    }
}
