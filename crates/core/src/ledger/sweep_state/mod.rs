//! What the ledger knows of sweeps: who leads one, how far it came, and how it gets on.

mod health;
mod run;

pub use health::{MANY_CUT_SHORT, MANY_STALLED, SweepHealth};
pub use run::{Progress, Streak, SweepRun, SweepState};
