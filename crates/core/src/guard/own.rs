//! Letting guards know that Sexton itself deletes rows.

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Sql, Words},
    ledger::Ledger,
};

struct Statements {
    begin: Sql,
    end: Sql,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        let begin = words.pick(
            "-- tell guards that a delete is our own
             select set_config('sexton.deleting', pg_trigger_depth()::text, true)",
            "-- tell guards that a delete is our own
             insert or ignore into {deleting} (table_name) select value from json_each(@tables)",
        );
        let end = words.pick(
            "-- tell guards that our own delete is over
             select set_config('sexton.deleting', '', true)",
            "-- tell guards that our own delete is over
             delete from {deleting}",
        );
        Self { begin: words.render(begin), end: words.render(end) }
    }
}

/// From here on, rows of `tables` (their quoted names) are deleted by Sexton in this transaction. Nothing is done if
/// there are none. On PostgreSQL all tables are meant.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
pub async fn begin_own(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    tables: &[String],
) -> Result<(), db::Error> {
    if tables.is_empty() {
        return Ok(());
    }
    let begin = ledger.statements::<Statements>().begin.bind([("tables", json!(tables).to_string().into())]);
    begin.execute(transaction).await.map(drop)
}

/// What is deleted from here on is not Sexton's any more. To be called also when deleting failed: on SQLite the
/// caller's transaction may be continued after that, and would leave the table unguarded.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
pub async fn end_own(transaction: &impl ConnectionTrait, ledger: &Ledger, tables: &[String]) -> Result<(), db::Error> {
    if tables.is_empty() {
        return Ok(());
    }
    ledger.statements::<Statements>().end.bind([]).execute(transaction).await.map(drop)
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_have_no_unknown_words() {
        crate::ledger::Ledger::render_for_every_dialect::<super::Statements>();
    }
}
