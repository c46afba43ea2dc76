//! What can be judged of a configuration without asking the database.

use std::{collections::BTreeSet, time::Duration};

use super::{
    AdoptMode, AfterConfirmation, Config, Marker, QUEUE_NAME, Resource, adopt,
    check::{InvalidSetting, ensure, ensure_between, ensure_table_name},
    child, is_queue_name, retry, target, unreferenced, verification,
};

/// A call may take a third of a lease, a lease is renewed when a third has passed, and write-back needs half a second.
/// With a shorter lease no call would ever begin.
const LEAST_LEASE: Duration = Duration::from_secs(2);

/// A shorter limit would end statements that only wait for a busy server.
const LEAST_DELETE_TIMEOUT: Duration = Duration::from_millis(500);

/// Sessions of servers and poolers do not live for ever.
const LONGEST_DELETE: Duration = Duration::from_secs(24 * 60 * 60);

/// The least time after which sweeps are considered.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// A run of a sweep ends before its lease does.
const LONGEST_RUN: Duration = Duration::from_secs(60);

pub(super) fn validate(config: &Config) -> Result<(), InvalidSetting> {
    ensure_between("database.max_connections", config.database.max_connections as usize, 2, 1000)?;
    ensure_between("queue.window", config.queue.window, 1, 7000)?;
    ensure_between("worker.concurrency", config.worker.concurrency, 1, 10_000)?;
    ensure_between("worker.answer_memory_mib", config.worker.answer_memory_mib, 1, 65_536)?;
    ensure_between("worker.payload_memory_mib", config.worker.payload_memory_mib, 1, 10_000)?;
    ensure(config.worker.lease >= LEAST_LEASE, "worker.lease", || {
        "it must be at least 2s: a call, its write-back and a renewal have to fit in".to_owned()
    })?;
    let (delete_timeout, longest_delete) = (config.worker.delete_timeout, config.worker.longest_delete);
    ensure(delete_timeout >= LEAST_DELETE_TIMEOUT, "worker.delete_timeout", || "it must be at least 500ms".to_owned())?;
    ensure((delete_timeout..=LONGEST_DELETE).contains(&longest_delete), "worker.longest_delete", || {
        "expected between worker.delete_timeout and 1d".to_owned()
    })?;
    let name = &config.queue.name;
    ensure(is_queue_name(name), "queue.name", || format!("`{name}` is not a queue name: {QUEUE_NAME}"))?;
    let scheme = secrecy::ExposeSecret::expose_secret(&config.database.url).split(':').next().unwrap_or_default();
    ensure(["postgres", "postgresql", "sqlite"].contains(&scheme), "database.url", || {
        "it must begin with postgres://, postgresql:// or sqlite://".to_owned()
    })?;
    if let Some(url) = &config.queue.url {
        let scheme = secrecy::ExposeSecret::expose_secret(url).split(':').next().unwrap_or_default();
        ensure(["redis", "rediss", "redis+unix", "unix"].contains(&scheme), "queue.url", || {
            "it must begin with redis://, rediss:// or redis+unix://".to_owned()
        })?;
    }
    config.api.validate(config.console.listen, &config.resources)?;
    config.console.validate(&config.api)?;
    config.http.validate()?;
    retry::validate("retry", &config.retry)?;
    let sync = &config.sync;
    ensure(sync.interval >= LEAST_INTERVAL, "sync.interval", || "it must be at least 1s".to_owned())?;
    ensure_between("sync.batch", sync.batch, 1, 10_000)?;
    ensure_between("sync.budget.rows", usize::try_from(sync.budget.rows).unwrap_or(usize::MAX), 1, 10_000_000)?;
    ensure((LEAST_INTERVAL..=LONGEST_RUN).contains(&sync.budget.time), "sync.budget.time", || {
        "expected 1s to 60s: a process that leads a sweep loses the lead after two minutes".to_owned()
    })?;
    ensure(config.sync.keep_completed > Duration::ZERO, "sync.keep_completed", || {
        "it must be longer than 0s: what is finished is the proof that it happened".to_owned()
    })?;
    verification::validate(sync)?;
    for (name, resource) in &config.resources {
        let path = format!("resources.{name}");
        validate_resource(&path, resource)?;
        unreferenced::validate(&path, resource, &config.sync)?;
        for (index, target) in resource.targets.iter().enumerate() {
            target::validate(&format!("{path}.targets[{index}]"), target, config)?;
        }
        for (index, child) in resource.children.iter().enumerate() {
            child::validate(&format!("{path}.children[{index}]"), child)?;
        }
    }
    Ok(())
}

fn validate_resource(path: &str, resource: &Resource) -> Result<(), InvalidSetting> {
    ensure_table_name(&format!("{path}.table"), &resource.table)?;
    ensure(!resource.key.is_empty(), &format!("{path}.key"), || "expected at least one column".to_owned())?;
    let distinct: BTreeSet<_> = resource.key.iter().collect();
    ensure(distinct.len() == resource.key.len(), &format!("{path}.key"), || "a column is named twice".to_owned())?;
    match &resource.marker {
        Some(given) => validate_marker(&format!("{path}.marker"), given)?,
        None => validate_without_marker(path, resource)?,
    }
    for (index, rule) in resource.marker_when.iter().enumerate() {
        validate_marker(&format!("{path}.marker_when[{index}].marker"), &rule.marker)?;
        let written = resource.marker_columns();
        ensure(!written.contains(&rule.column), &format!("{path}.marker_when[{index}].column"), || {
            format!(
                "marking a row changes `{}`, so that afterwards another rule were for it and its `then` could not be \
                 honoured; decide by a column that no marker writes",
                rule.column
            )
        })?;
    }
    adopt::validate(path, resource)?;
    let mut seen = BTreeSet::new();
    for (index, target) in resource.targets.iter().enumerate() {
        ensure(seen.insert(&target.name), &format!("{path}.targets[{index}].name"), || {
            format!("two targets are named `{}`: a confirmation could not tell them apart", target.name)
        })?;
    }
    for (index, target) in resource.targets.iter().enumerate() {
        for name in &target.after {
            ensure(seen.contains(name), &format!("{path}.targets[{index}].after"), || {
                let known: Vec<_> = seen.iter().map(|name| name.as_str()).collect();
                format!("there is no target `{name}`; the targets of this resource are {}", known.join(", "))
            })?;
        }
    }
    Ok(())
}

/// Only a table of the sweep `unreferenced` needs no marker, and only if its deletions need not be recorded.
fn validate_without_marker(path: &str, resource: &Resource) -> Result<(), InvalidSetting> {
    ensure(resource.unreferenced.is_some(), &format!("{path}.marker"), || {
        "it is missing: say how a removed row is marked, as in { column = \"deleted_at\" }".to_owned()
    })?;
    let nothing_recorded = resource.targets.is_empty()
        && resource.children.is_empty()
        && resource.marker_when.is_empty()
        && resource.then == AfterConfirmation::Delete
        && resource.grace.is_zero()
        && resource.adopt != AdoptMode::On
        && !resource.hash_key;
    ensure(nothing_recorded, &format!("{path}.marker"), || {
        "it is missing: without one only `unreferenced` can be said of a table; targets, children, then, grace, adopt \
         and hash_key speak of rows that are marked"
            .to_owned()
    })
}

fn validate_marker(path: &str, marker: &Marker) -> Result<(), InvalidSetting> {
    ensure(marker.zone.is_none() || marker.value.is_none(), &format!("{path}.zone"), || {
        "only a marker that is a time has a zone; this one has `value`".to_owned()
    })?;
    ensure(!marker.column.is_empty(), &format!("{path}.column"), || "expected a column name".to_owned())
}
