//! Configurations: `sexton.toml` by itself, and against the tables of a database.

mod catalog;
mod child_rules;
mod settings;
