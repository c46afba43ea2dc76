//! Tests that measure time or keep a machine busy. They run one at a time, after all others.

mod fairness;
mod flood;
mod foreign_keys;
mod hints;
mod idle;
mod killed;
mod latency;
mod outage;
mod rates;
mod restores;
mod wake;
