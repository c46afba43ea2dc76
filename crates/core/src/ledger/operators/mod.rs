//! Statements for operators: what they did, what they paused, dead letters, figures and the export.

mod action;
mod dead_letters;
mod export;
mod figures;
mod pause;
mod status;

pub use action::Action;
pub use dead_letters::{DeadLetter, Filter};
pub use export::{FinishedAt, Moment, Span};
pub use pause::{Pause, Scope};
pub use status::{LaneStatus, Status};
