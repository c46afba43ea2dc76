//! Choosing many rows by a condition that an operator wrote.
//!
//! The condition is SQL on the table's own columns. It stands on lines of its own, in parentheses, in a query that only
//! reads. So it cannot change the text around it. That query runs as a prepared statement in a transaction that cannot
//! write. The transaction that removes the rows locks them and evaluates the condition once more, so that a row that
//! changed in between is not removed.

use sea_orm::ConnectionTrait;

pub use crate::catalog::Cursor;
use crate::{
    catalog::{Among, Table},
    db::{self, Db, NextPage, RowLocks},
    key::Key,
};

/// An operator's condition on the columns of a table.
#[derive(Debug, Clone)]
pub struct Condition(String);

/// A text that is not one condition.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCondition {
    /// It is empty.
    #[error("the condition is empty; say `true` if every live row is meant")]
    Empty,
    /// It holds a `;` outside of quotes.
    #[error("the condition is one SQL expression; it cannot have a `;`")]
    Semicolon,
    /// It holds a NUL character.
    #[error("the condition cannot have a NUL character")]
    Nul,
}

impl Condition {
    /// Takes the text for a condition. Whether the database understands it shows when it is run.
    ///
    /// # Errors
    /// [`InvalidCondition`] when it cannot be one expression.
    pub fn new(text: &str) -> Result<Self, InvalidCondition> {
        if text.trim().is_empty() {
            return Err(InvalidCondition::Empty);
        }
        if text.contains('\0') {
            return Err(InvalidCondition::Nul);
        }
        // PostgreSQL refuses a second statement by itself, SQLite's driver would run it.
        let mut quote = None;
        for c in text.chars() {
            match quote {
                Some(open) if c == open => quote = None,
                Some(_) => {}
                None if ['\'', '"', '`'].contains(&c) => quote = Some(c),
                None if c == ';' => return Err(InvalidCondition::Semicolon),
                None => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The rows that meet it, with the table's columns.
    fn rows_of(&self, table: &Table) -> String {
        format!("(select * from {} where (\n{}\n))", table.sql, self.0)
    }
}

/// How many live rows meet the condition.
///
/// # Errors
/// [`db::Error`] when the database does not answer, or does not understand the condition.
pub async fn count_live(db: &Db, table: &Table, condition: &Condition) -> Result<u64, db::Error> {
    let words = table.rows.words().with_verbatim([("source", condition.rows_of(table).as_str())]);
    let count = words
        .with([("is_live", table.live("t"))])
        .render("-- count the live rows that meet a condition\nselect count(*) as n from {source} t where {is_live}");
    let rows = count.bind([]).read_only(db).await?;
    rows.first().map_or(Ok(0), |row| row.count("n"))
}

/// The keys of the next live rows that meet the condition, in key order; and where to go on.
///
/// # Errors
/// [`db::Error`] when the database does not answer, or does not understand the condition.
pub async fn live_page(
    db: &Db,
    table: &Table,
    condition: &Condition,
    page: NextPage<'_, Cursor>,
) -> Result<(Vec<Key>, Option<Cursor>), db::Error> {
    table.page(db, &condition.rows_of(table), &table.live("t"), page).await
}

/// Locks those of the rows that are still live and still meet the condition, and returns their keys.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn lock_live(
    transaction: &impl ConnectionTrait,
    table: &Table,
    condition: &Condition,
    keys: &[Key],
) -> Result<Vec<Key>, db::Error> {
    let (source, live) = (condition.rows_of(table), table.live("t"));
    table.rows_among(transaction, keys, &Among { source: &source, condition: &live, locks: RowLocks::Wait }).await
}
