//! Rows that must not outlive another row: finding them, to any depth, and deleting them before it.
//!
//! Which rows are children is a rule on values (`[[resources.NAME.children]]`), evaluated when the parent is removed and
//! again when it is deleted, so that children that arrived meanwhile are not missed. Marking them in phase 1 is
//! [`crate::soft_remove`]'s business.

mod delete;
mod find;
mod tree;

pub use delete::{DeleteError, Step, delete, delete_some};
pub(crate) use find::{FRONTIER, Parent, find, frontier, statement as find_statement};
pub use tree::{Root, Tree, Unfinished};
