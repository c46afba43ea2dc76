//! Rows that go with the row that they reference.

mod chains;
mod plans;
mod races;
mod unreadable;
mod with_deletions;
mod without_deletions;
