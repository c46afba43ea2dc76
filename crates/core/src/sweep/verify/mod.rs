//! `verify`: twins that are there although their deletion is completed, and deleting them once more.

mod completed;
mod redelete;
mod same_values;

pub use completed::{Completed, RedeletionRequest};
pub use redelete::{BY, Redeletion, belongs_to_another_row, may_belong_to_row, redelete};
