//! Comparing the configuration with what the database's catalogue says. Every mistake that is found is a
//! [`ConfigProblem`](super::ConfigProblem).

mod child_rule;
mod markers;
mod resource;
mod unreferenced;

pub(super) use child_rule::BindChildRule;
pub(super) use resource::{resource, rows};
