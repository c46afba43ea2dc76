//! Rows that must not outlive another row: finding them, to any depth, and deleting them before it.
//!
//! Which rows are children is a rule on values (`[[resources.NAME.children]]`). It is evaluated when the parent is
//! removed and once more when it is deleted, so that children that arrived meanwhile are not missed. Marking them in
//! phase 1 is [`crate::soft_remove`]'s business.

mod delete;
mod delete_part;
mod delete_rows;
mod descendants;
mod error;
mod find;
mod parent;
mod search;
mod unfinished;

pub use delete::{DeletedRows, delete};
pub use delete_part::{DeletedPart, WayDown};
pub use descendants::{Descendants, RowToDelete};
pub use error::Error;
pub(crate) use find::{FoundChild, find_children, find_first_children, statement as find_statement};
pub(crate) use parent::{PARENT_COLUMNS, Parent, parents_as_json};
pub use unfinished::Unfinished;
