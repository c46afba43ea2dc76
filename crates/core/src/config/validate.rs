//! What can be judged of a configuration without asking the database.

use std::{collections::BTreeSet, time::Duration};

use super::mistake::{Mistake, range, require, table};
use super::{
    Adopt, AfterConfirmation, Child, ChildThen, Config, Connector, Marker, Resource, Retry, Target, adopt,
    unreferenced, verification,
};

/// A call may take a third of a lease, a lease is renewed when a third has passed, and half a second is kept free for
/// writing down: with a shorter one no call would ever begin.
const LEAST_LEASE: Duration = Duration::from_secs(2);

/// Sweeps are looked at no more often than this.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// A run of a sweep is over before its lease is.
const LONGEST_RUN: Duration = Duration::from_secs(60);

pub(super) fn validate(config: &Config) -> Result<(), Mistake> {
    range("database.max_connections", config.database.max_connections as usize, 2, 1000)?;
    range("queue.window", config.queue.window, 1, 7000)?;
    range("worker.concurrency", config.worker.concurrency, 1, 10_000)?;
    require(config.worker.lease >= LEAST_LEASE, "worker.lease", || {
        "it must be at least 2s: a call, its write-back and a renewal have to fit in".to_owned()
    })?;
    let name = &config.queue.name;
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    require(!name.is_empty() && name.bytes().all(safe), "queue.name", || {
        format!("`{name}` is not a key prefix: use letters, digits, `_`, `.`, `:` and `-`")
    })?;
    let scheme = secrecy::ExposeSecret::expose_secret(&config.database.url).split(':').next().unwrap_or_default();
    require(["postgres", "postgresql", "sqlite"].contains(&scheme), "database.url", || {
        "it must begin with postgres://, postgresql:// or sqlite://".to_owned()
    })?;
    if let Some(url) = &config.queue.url {
        let scheme = secrecy::ExposeSecret::expose_secret(url).split(':').next().unwrap_or_default();
        require(["redis", "rediss", "redis+unix", "unix"].contains(&scheme), "queue.url", || {
            "it must begin with redis://, rediss:// or redis+unix://".to_owned()
        })?;
    }
    config.api.validate(config.console.listen)?;
    retry("retry", &config.retry)?;
    let sync = &config.sync;
    require(sync.interval >= LEAST_INTERVAL, "sync.interval", || "it must be at least 1s".to_owned())?;
    range("sync.batch", sync.batch, 1, 10_000)?;
    range("sync.budget.rows", usize::try_from(sync.budget.rows).unwrap_or(usize::MAX), 1, 10_000_000)?;
    require((LEAST_INTERVAL..=LONGEST_RUN).contains(&sync.budget.time), "sync.budget.time", || {
        "expected 1s to 60s: a process leads a sweep for two minutes at most without saying so again".to_owned()
    })?;
    require(config.sync.keep_completed > Duration::ZERO, "sync.keep_completed", || {
        "it must be longer than 0s: what is finished is the proof that it happened".to_owned()
    })?;
    verification::validate(sync)?;
    for (name, resource) in &config.resources {
        let path = format!("resources.{name}");
        self::resource(&path, resource)?;
        unreferenced::validate(&path, resource, &config.sync)?;
        for (index, target) in resource.targets.iter().enumerate() {
            self::target(&format!("{path}.targets[{index}]"), target, config)?;
        }
        for (index, child) in resource.children.iter().enumerate() {
            self::child(&format!("{path}.children[{index}]"), child)?;
        }
    }
    Ok(())
}

fn resource(path: &str, resource: &Resource) -> Result<(), Mistake> {
    table(&format!("{path}.table"), &resource.table)?;
    require(!resource.key.is_empty(), &format!("{path}.key"), || "expected at least one column".to_owned())?;
    let distinct: BTreeSet<_> = resource.key.iter().collect();
    require(distinct.len() == resource.key.len(), &format!("{path}.key"), || "a column is named twice".to_owned())?;
    match &resource.marker {
        Some(given) => marker(&format!("{path}.marker"), given)?,
        None => without_marker(path, resource)?,
    }
    for (index, rule) in resource.marker_when.iter().enumerate() {
        marker(&format!("{path}.marker_when[{index}].marker"), &rule.marker)?;
        let written = resource.marker_columns();
        require(!written.contains(&rule.column), &format!("{path}.marker_when[{index}].column"), || {
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
        require(seen.insert(&target.name), &format!("{path}.targets[{index}].name"), || {
            format!("two targets are named `{}`: a confirmation could not tell them apart", target.name)
        })?;
    }
    for (index, target) in resource.targets.iter().enumerate() {
        for name in &target.after {
            require(seen.contains(name), &format!("{path}.targets[{index}].after"), || {
                let known: Vec<_> = seen.iter().map(|name| name.as_str()).collect();
                format!("there is no target `{name}`; the targets of this resource are {}", known.join(", "))
            })?;
        }
    }
    Ok(())
}

/// Only the sweep for unreferenced rows needs none, as long as their deletions need not be recorded.
fn without_marker(path: &str, resource: &Resource) -> Result<(), Mistake> {
    require(resource.unreferenced.is_some(), &format!("{path}.marker"), || {
        "it is missing: say how a removed row is marked, as in { column = \"deleted_at\" }".to_owned()
    })?;
    let nothing_recorded = resource.targets.is_empty()
        && resource.children.is_empty()
        && resource.marker_when.is_empty()
        && resource.then == AfterConfirmation::Delete
        && resource.grace.is_zero()
        && resource.adopt != Adopt::On
        && !resource.hash_key;
    require(nothing_recorded, &format!("{path}.marker"), || {
        "it is missing: without one only `unreferenced` can be said of a table; targets, children, then, grace, adopt and \
         hash_key speak of rows that are marked"
            .to_owned()
    })
}

fn marker(path: &str, marker: &Marker) -> Result<(), Mistake> {
    require(!marker.column.is_empty(), &format!("{path}.column"), || "expected a column name".to_owned())
}

fn child(path: &str, child: &Child) -> Result<(), Mistake> {
    let at = |key: &str| format!("{path}.{key}");
    table(&at("table"), &child.table)?;
    require(child.column.is_some() != child.json.is_some(), path, || {
        "expected either `column = \"…\"` or `json = { column = \"…\", path = \"…\" }`".to_owned()
    })?;
    if let Some(json) = &child.json {
        require(json.members().all(|member| !member.is_empty()), &at("json.path"), || {
            format!("`{}` is not a path: expected names of members separated by dots", json.path)
        })?;
    }
    require(!child.scope.contains(&child.references), &at("scope"), || {
        format!("`{}` is the column that `references` names already", child.references)
    })?;
    require(child.twin.is_none() || child.then == ChildThen::Delete, &at("twin"), || {
        "it says what becomes of the twins of rows that go without a deletion of their own: only with then = \"delete\""
            .to_owned()
    })
}

fn target(path: &str, target: &Target, config: &Config) -> Result<(), Mistake> {
    let at = |key: &str| format!("{path}.{key}");
    retry(&at("retry"), &config.retry.with(&target.retry))?;
    require(target.timeout > Duration::ZERO, &at("timeout"), || "it must be longer than 0s".to_owned())?;
    require(target.timeout * 3 <= config.worker.lease, &at("timeout"), || {
        format!(
            "{} is more than a third of worker.lease ({}): a call could outlive its lease; lengthen worker.lease",
            humantime::format_duration(target.timeout),
            humantime::format_duration(config.worker.lease)
        )
    })?;
    if let Some(limit) = &target.rate_limit {
        let most = 1_000_000.0;
        require((0.001..=most).contains(&limit.per_second), &at("rate_limit.per_second"), || {
            format!("{} is not between 0.001 and {most}", limit.per_second)
        })?;
        range(&at("rate_limit.burst"), limit.burst as usize, 1, 1_000_000)?;
    }
    if let Some(most) = target.max_in_flight {
        range(&at("max_in_flight"), most, 1, 10_000)?;
    }
    require((0.0..=1.0).contains(&target.gone_limit), &at("gone_limit"), || {
        format!("{} is not a share: expected a number from 0 to 1, where 1 never opens the breaker", target.gone_limit)
    })?;
    let breaker = &target.breaker;
    require(breaker.failure_ratio > 0.0, &at("breaker.failure_ratio"), || {
        "it must be more than 0: a target that never fails would be left alone as well".to_owned()
    })?;
    range(&at("breaker.min_calls"), breaker.min_calls as usize, 1, 10_000)?;
    require(breaker.window > Duration::ZERO, &at("breaker.window"), || "it must be longer than 0s".to_owned())?;
    require(breaker.probe_interval > Duration::ZERO, &at("breaker.probe_interval"), || {
        "it must be longer than 0s: a target that is away would be called without a pause".to_owned()
    })?;
    require(breaker.probe_interval <= breaker.max_probe_interval, &at("breaker.max_probe_interval"), || {
        "it is shorter than probe_interval".to_owned()
    })?;
    match &target.connector {
        Connector::Http(http) => gone(&at("gone"), &http.gone_statuses())?,
        Connector::CalDav(caldav) => gone(&at("gone"), &caldav.gone)?,
        Connector::S3(_) | Connector::GoogleCalendar(_) => {}
    }
    target.validate_connector().map_err(|(key, why)| (at(&key), why))
}

fn gone(path: &str, gone: &[u16]) -> Result<(), Mistake> {
    for status in gone {
        require((400..500).contains(status), path, || {
            format!("{status} cannot mean \"already deleted\": expected statuses from 400 to 499")
        })?;
    }
    require(gone.iter().all(|s| ![401, 403, 408, 429].contains(s)), path, || {
        "401, 403, 408 and 429 speak of the caller, not of the object".to_owned()
    })
}

fn retry(path: &str, retry: &Retry) -> Result<(), Mistake> {
    require(retry.max_attempts >= 1, &format!("{path}.max_attempts"), || "expected at least 1".to_owned())?;
    require((1.0..=100.0).contains(&retry.multiplier), &format!("{path}.multiplier"), || {
        format!("{} is not between 1 and 100", retry.multiplier)
    })?;
    require(retry.initial_interval > Duration::ZERO, &format!("{path}.initial_interval"), || {
        "it must be longer than 0s: a failing target would be called without a pause".to_owned()
    })?;
    require(retry.initial_interval <= retry.max_interval, &format!("{path}.max_interval"), || {
        "it is shorter than initial_interval".to_owned()
    })
}
