//! Letting guards know that rows are deleted by Sexton itself.

use sea_orm::ConnectionTrait;

use crate::{
    db::{self, Dialect},
    ledger::Ledger,
};

/// From here on, rows of `tables` (their quoted names) are deleted by Sexton in this transaction. Nothing is done if there
/// are none. On PostgreSQL all tables are meant.
///
/// # Errors
/// Whatever the database says.
pub async fn begin_own(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    tables: &[String],
) -> Result<(), db::Error> {
    let d = ledger.dialect;
    if tables.is_empty() {
        return Ok(());
    }
    let (sql, values) = match d {
        Dialect::Postgres => {
            ("select set_config('sexton.deleting', pg_trigger_depth()::text, true)".to_owned(), Vec::new())
        }
        Dialect::Sqlite => (
            format!("insert or ignore into {} (table_name) select value from json_each($1)", ledger.deleting),
            vec![serde_json::Value::from(tables.to_vec()).to_string().into()],
        ),
    };
    transaction.execute_raw(d.statement(sql, values)).await.map(drop).map_err(Into::into)
}

/// What is deleted from here on is not Sexton's any more. To be called also when deleting failed: on SQLite the caller's
/// transaction may go on after that, and would leave the table unguarded.
///
/// # Errors
/// Whatever the database says.
pub async fn end_own(transaction: &impl ConnectionTrait, ledger: &Ledger, tables: &[String]) -> Result<(), db::Error> {
    let d = ledger.dialect;
    if tables.is_empty() {
        return Ok(());
    }
    let sql = match d {
        Dialect::Postgres => "select set_config('sexton.deleting', '', true)".to_owned(),
        Dialect::Sqlite => format!("delete from {}", ledger.deleting),
    };
    transaction.execute_raw(d.statement(sql, [])).await.map(drop).map_err(Into::into)
}
