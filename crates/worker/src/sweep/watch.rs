//! Seeing that sweeps run: one that nobody runs says nothing by itself.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use sexton_core::{
    config::Config,
    ledger::{SweepHealth, SweepState},
};

use super::all;
use crate::metrics;

/// How often it is said again.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// How all sweeps stand that this program has, those that never ran included, and those of other releases, by name.
pub(crate) fn judged(mut states: Vec<SweepState>, config: &Config) -> Vec<SweepState> {
    for sweep in all() {
        let name = sweep.name();
        if !states.iter().any(|state| state.name == name) {
            states.push(SweepState::never(name));
        }
        for state in states.iter_mut().filter(|state| state.name == name) {
            state.health = state.judged(&config.sync, sweep.interval(config));
        }
    }
    states.sort_by(|a, b| a.name.cmp(&b.name));
    states
}

/// Looks at the sweeps for as long as a process is up, whoever runs them.
pub(crate) struct Watch {
    since: Instant,
    told: HashMap<String, Instant>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), told: HashMap::new() }
    }

    /// Sets the gauges of each sweep, and warns of those that are not run.
    pub(crate) fn see(&mut self, states: Vec<SweepState>, config: &Config) {
        let sync = &config.sync;
        let up = self.since.elapsed();
        for state in judged(states, config) {
            let every = all().iter().find(|sweep| sweep.name() == state.name).map(|sweep| sweep.interval(config));
            // One that never ran may be new: it is waited for only since this process is up.
            let idle = state.idle().unwrap_or(up);
            let overdue = every.is_some_and(|every| match state.health {
                SweepHealth::Never => state.is_overdue(sync, sync.interval, up),
                _ => state.is_overdue(sync, every, idle),
            });
            metrics::set_sweep(&state, idle, overdue);
            if overdue {
                self.warn(&state, idle);
            } else {
                self.told.remove(&state.name);
            }
        }
    }

    fn warn(&mut self, state: &SweepState, idle: Duration) {
        let (name, now) = (&state.name, Instant::now());
        if self.told.get(name).is_some_and(|told| now < *told + AGAIN) {
            return;
        }
        self.told.insert(name.clone(), now);
        let (idle_s, leader) = (idle.as_secs(), state.leader.as_deref().unwrap_or("nobody"));
        match state.health {
            SweepHealth::Never => {
                tracing::warn!(sweep = name, idle_s, leader, "{name} has never run since this process started");
            }
            _ => tracing::warn!(sweep = name, idle_s, leader, "{name} has not run for {idle_s} seconds"),
        }
    }
}
