//! The application's rows: reading them as they are now, and deleting them together with the ledger's completion.

mod children;
mod compare;
mod deletion;
mod finish;
mod outcome;
mod plan;
mod postgres;
mod references;
mod sqlite;
mod transaction;

pub(crate) use children::{ChildrenPart, MOST_IN_CIRCLE, delete_part_of_children};
pub(crate) use compare::{Now, compare};
pub(crate) use deletion::HardDelete;
pub(crate) use outcome::HardDeleteOutcome;
pub(crate) use transaction::{HardDeleted, hard_delete};
