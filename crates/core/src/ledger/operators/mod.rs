//! Statements for operators: what they did, what they paused, dead letters, figures and the export.

pub(super) mod action;
pub(super) mod dead_letters;
pub(super) mod export;
pub(super) mod figures;
pub(super) mod pause;
pub(super) mod retarget;
pub(super) mod status;
pub(super) mod writers;

pub use action::{Action, Operator};
pub use dead_letters::{DeadLetter, Filter};
pub use export::{FinishedBetween, Moment};
pub use pause::{Pause, PauseScope};
pub use status::{LaneStatus, SlowDelete, Status};
pub use writers::Writers;
