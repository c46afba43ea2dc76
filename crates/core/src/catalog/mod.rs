//! What the database says of the configured tables: where they are, the types of their columns, what is unique.
//!
//! The worker knows tables from `sexton.toml`, not from compiled entities. So everything that a wrong name or type
//! could break is found here, once, before anything starts. The result is a [`Table`] with the SQL fragments that
//! statements on the application's rows are made of.
//!
//! * `describe`, `foreign_keys`: what the database's own catalogue says;
//! * `bind`: comparing that with the configuration; every mistake is a [`ConfigProblem`];
//! * `load`, `tables`: all resources together, the [`Catalog`];
//! * `rows`, `table`, `marker_rule`, `markers`, `child_rule`, `unreferenced`, `column`, `key`: fragments of statements;
//! * `row_filter`, `pages`: statements that any table can run.

mod advice;
mod bind;
mod cascades;
mod child_rule;
mod column;
mod describe;
mod error;
mod foreign_keys;
pub mod key;
mod load;
mod marker_rule;
mod markers;
mod pages;
mod problem;
mod row_filter;
mod rows;
mod table;
mod tables;
mod unindexed;
mod unreferenced;

pub use child_rule::{ChildRule, Link, Reading};
pub use column::{Column, KeyType};
pub use error::Error;
pub use marker_rule::MarkerRule;
pub use pages::Cursor;
pub(crate) use pages::Paging;
pub use problem::ConfigProblem;
pub(crate) use row_filter::Among;
pub use rows::Rows;
pub use table::Table;
pub use tables::Catalog;
pub use unreferenced::{Pair, ResolvedReference, UnreferencedTable};
