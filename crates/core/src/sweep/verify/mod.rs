//! `verify`: twins that are there although their deletion is completed, and deleting them again.

mod completed;
mod holders;
mod redelete;

pub use completed::{AskAgain, Completed};
pub use redelete::{Again, BY, delete_again, has_another_row, has_owner};
