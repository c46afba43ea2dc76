//! Seeing that sweeps run: a sweep that no process runs reports nothing by itself.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use sexton_core::{
    config::Config,
    ledger::{SweepHealth, SweepState},
};

use super::SWEEPS;
use crate::metrics;

/// The least time between two warnings of the same sweep.
const WARN_EVERY: Duration = Duration::from_secs(60 * 60);

/// The states with their health, by name. They include sweeps that never ran, and those of other releases.
pub(crate) fn with_health(mut states: Vec<SweepState>, config: &Config) -> Vec<SweepState> {
    for sweep in SWEEPS {
        let name = sweep.name;
        if !states.iter().any(|state| state.name == name) {
            states.push(SweepState::never(name));
        }
        for state in states.iter_mut().filter(|state| state.name == name) {
            state.health = state.judged(&config.sync, sweep.sweep.interval(config));
        }
    }
    states.sort_by(|a, b| a.name.cmp(&b.name));
    states
}

/// Watches the sweeps of all processes, for as long as this process is up.
pub(crate) struct Watch {
    since: Instant,
    warned: HashMap<String, Instant>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), warned: HashMap::new() }
    }

    /// Sets the gauges of each sweep, and warns of those that are overdue.
    pub(crate) fn report(&mut self, states: Vec<SweepState>, config: &Config) {
        let sync = &config.sync;
        let up = self.since.elapsed();
        for state in with_health(states, config) {
            let registered = SWEEPS.iter().find(|sweep| sweep.name == state.name);
            let every = registered.map(|sweep| sweep.sweep.interval(config));
            // A sweep that never ran may be new: it is overdue only by the time that this process is up.
            let idle = state.idle().unwrap_or(up);
            let overdue = every.is_some_and(|every| match state.health {
                SweepHealth::Never => state.is_overdue(sync, sync.interval, up),
                _ => state.is_overdue(sync, every, idle),
            });
            metrics::set_sweep(&state, idle, overdue);
            if overdue {
                self.warn(&state, idle);
            } else {
                self.warned.remove(&state.name);
            }
        }
    }

    fn warn(&mut self, state: &SweepState, idle: Duration) {
        let (name, now) = (&state.name, Instant::now());
        if self.warned.get(name).is_some_and(|warned| now < *warned + WARN_EVERY) {
            return;
        }
        self.warned.insert(name.clone(), now);
        let (idle_s, leader) = (idle.as_secs(), state.leader.as_deref().unwrap_or("no process"));
        match state.health {
            SweepHealth::Never => {
                tracing::warn!(sweep = name, idle_s, leader, "{name} has never run since this process started");
            }
            _ => tracing::warn!(sweep = name, idle_s, leader, "{name} has not run for {idle_s} seconds"),
        }
    }
}
