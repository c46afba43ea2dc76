//! The settings of a process: where the database and Redis are, how much it does at once.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Api, Http, Resource, Retry, Verification,
    check::{InvalidSetting, ensure},
    duration,
};
use crate::ids::{Lane, ResourceName};

/// A whole configuration, valid in itself (see [`super::load`]).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The application's database, which also holds the ledger.
    pub database: Database,
    /// Redis, if any.
    pub queue: Queue,
    /// How a worker process works.
    pub worker: Worker,
    /// The retry policy of targets that do not override it.
    pub retry: Retry,
    /// What sweeps do, and how long finished deletions are stored.
    pub sync: Sync,
    /// The operators' HTTP address.
    pub console: Console,
    /// The applications' HTTP address.
    pub api: Api,
    /// The clients of both addresses.
    pub http: Http,
    /// The tables whose rows are deleted, by name.
    #[serde(default)]
    pub resources: BTreeMap<ResourceName, Resource>,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `postgres://…` or `sqlite://…`.
    pub url: SecretString,
    /// The most connections of one process.
    pub max_connections: u32,
}

/// `[queue]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// `redis://…` or `rediss://…`; without it processes take due rows from the ledger.
    pub url: Option<SecretString>,
    /// Prefix of every key in Redis.
    pub name: String,
    /// The most hints in Redis at once.
    pub window: usize,
}

/// `[worker]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Deletions in flight in one process.
    pub concurrency: usize,
    /// The captured columns of deletions in flight may have this size in all, in MiB of text. One that is larger is
    /// worked on alone.
    pub payload_memory_mib: usize,
    /// How long a claim is valid without renewal.
    #[serde(with = "duration")]
    pub lease: Duration,
    /// How long a statement may take that deletes rows (PostgreSQL).
    #[serde(with = "duration")]
    pub delete_timeout: Duration,
    /// The most that the limit grows to for a row that needs longer.
    #[serde(with = "duration")]
    pub longest_delete: Duration,
    /// Expired leases in a row before a deletion is dead as `poison`.
    pub max_rescues: u32,
    /// Time that calls in flight get to finish after SIGTERM.
    #[serde(with = "duration")]
    pub shutdown_grace: Duration,
    /// Memory for answers that are being read, in MiB, of all calls together.
    pub answer_memory_mib: usize,
}

/// `[sync]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sync {
    /// How often each sweep is considered.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// Rows that one statement looks at.
    pub batch: usize,
    /// What one run of a sweep may cost.
    pub budget: SweepBudget,
    /// How long a finished deletion stays in the ledger.
    #[serde(with = "duration")]
    pub keep_completed: Duration,
    /// How long it stores columns of the row for later checks.
    #[serde(with = "duration")]
    pub keep_refs: Duration,
    /// Which completed deletions are verified later.
    pub verify: Verification,
}

/// `sync.budget`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepBudget {
    /// Rows that are looked at.
    pub rows: u64,
    /// The time it may take; it ends at the first batch after that.
    #[serde(with = "duration")]
    pub time: Duration,
}

/// `[console]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// Where `/healthz`, `/readyz` and `/metrics` listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether every client that reaches the address may see the metrics.
    pub unauthenticated: bool,
}

impl Console {
    /// Whether `/metrics` needs a token: beyond this machine, unless the setting says otherwise.
    #[must_use]
    pub const fn needs_token(&self) -> bool {
        !self.unauthenticated && !self.listen.ip().is_loopback()
    }

    pub(super) fn validate(&self, api: &Api) -> Result<(), InvalidSetting> {
        ensure(!self.needs_token() || api.has_operator(), "console.listen", || {
            "every client that reaches this address could see the metrics: give a client of api.tokens the right \
             `operate`, listen on a loopback address, or set console.unauthenticated = true behind a network policy"
                .to_owned()
        })
    }
}

impl Config {
    /// The lanes of all resources: each resource, and each of its targets as `resource.target`.
    #[must_use]
    pub fn lanes(&self) -> Vec<Lane> {
        self.resources.iter().flat_map(|(name, resource)| resource.lanes(name)).collect()
    }
}
