//! What can be judged of a target's settings without the database.

use std::time::Duration;

use super::Target;
use crate::config::{
    Config,
    check::{InvalidSetting, ensure, ensure_between},
    retry,
};

/// Checks the target whose settings are at `path`.
pub(in crate::config) fn validate(path: &str, target: &Target, config: &Config) -> Result<(), InvalidSetting> {
    let at = |key: &str| format!("{path}.{key}");
    // `row` is what dead letters name in place of a target when the row itself could not be deleted.
    ensure(target.name.as_str() != "row", &at("name"), || {
        "`row` is no name for a target: in dead letters it stands for the row itself".to_owned()
    })?;
    retry::validate(&at("retry"), &config.retry.with(&target.retry))?;
    ensure(target.timeout > Duration::ZERO, &at("timeout"), || "it must be longer than 0s".to_owned())?;
    ensure(target.timeout * 3 <= config.worker.lease, &at("timeout"), || {
        format!(
            "{} is more than a third of worker.lease ({}): a call could outlive its lease; lengthen worker.lease",
            humantime::format_duration(target.timeout),
            humantime::format_duration(config.worker.lease)
        )
    })?;
    validate_limits(path, target)?;
    target.kind.settings().validate().map_err(|invalid| invalid.below(path))
}

fn validate_limits(path: &str, target: &Target) -> Result<(), InvalidSetting> {
    let at = |key: &str| format!("{path}.{key}");
    if let Some(limit) = &target.rate_limit {
        let most = 1_000_000.0;
        ensure((0.001..=most).contains(&limit.per_second), &at("rate_limit.per_second"), || {
            format!("{} is not between 0.001 and {most}", limit.per_second)
        })?;
        ensure_between(&at("rate_limit.burst"), limit.burst as usize, 1, 1_000_000)?;
    }
    ensure_between(&at("max_path_value"), target.max_path_value, 1, 8000)?;
    if let Some(most) = target.max_in_flight {
        ensure_between(&at("max_in_flight"), most, 1, 10_000)?;
    }
    for status in &target.not_done {
        ensure((400..=599).contains(status), &at("not_done"), || {
            format!("{status} is not the status of a failure: expected statuses from 400 to 599")
        })?;
    }
    ensure((0.0..=1.0).contains(&target.gone_limit), &at("gone_limit"), || {
        format!("{} is not a share: expected a number from 0 to 1, where 1 never opens the breaker", target.gone_limit)
    })?;
    let breaker = &target.breaker;
    ensure(breaker.failure_ratio > 0.0, &at("breaker.failure_ratio"), || {
        "it must be more than 0: it would open for a target that never fails".to_owned()
    })?;
    ensure_between(&at("breaker.min_calls"), breaker.min_calls as usize, 1, 10_000)?;
    ensure(breaker.window > Duration::ZERO, &at("breaker.window"), || "it must be longer than 0s".to_owned())?;
    ensure(breaker.probe_interval > Duration::ZERO, &at("breaker.probe_interval"), || {
        "it must be longer than 0s: a target that is away would be called without a pause".to_owned()
    })?;
    ensure(breaker.probe_interval <= breaker.max_probe_interval, &at("breaker.max_probe_interval"), || {
        "it is shorter than probe_interval".to_owned()
    })
}

/// Checks statuses of which any answer means "already deleted".
pub(super) fn ensure_gone_statuses(path: &str, statuses: &[u16]) -> Result<(), InvalidSetting> {
    for status in statuses {
        ensure((400..500).contains(status), path, || {
            format!("{status} cannot mean \"already deleted\": expected statuses from 400 to 499")
        })?;
    }
    ensure(statuses.iter().all(|status| ![401, 403, 408, 429].contains(status)), path, || {
        "401, 403, 408 and 429 speak of the caller, not of the object".to_owned()
    })
}

/// Checks that each of these columns is used in a request beside its path.
pub(super) fn ensure_used(path: &str, columns: &[String], used: &[&str]) -> Result<(), InvalidSetting> {
    let other = columns.iter().find(|column| !used.contains(&column.as_str()));
    ensure(other.is_none(), path, || {
        format!("`{}` is in no query, header or body of this target", other.map_or("", String::as_str))
    })
}
