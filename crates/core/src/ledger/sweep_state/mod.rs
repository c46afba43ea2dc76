//! What the ledger knows of sweeps: which process leads one, how far it came, and how it gets on.

mod health;
pub(super) mod run;

pub use health::{BEHIND_AFTER_RUNS, STUCK_AFTER_PASSES, SweepHealth};
pub use run::{SweepLead, SweepProgress, SweepRun, SweepState, UnfinishedRuns};
