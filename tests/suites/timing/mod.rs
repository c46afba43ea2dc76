//! Tests that measure time, or that keep a machine busy: they run one at a time, after all others.

mod fairness;
mod flood;
mod foreign_keys;
mod hints;
mod idle;
mod killed;
mod latency;
mod outage;
mod rates;
mod wake;
