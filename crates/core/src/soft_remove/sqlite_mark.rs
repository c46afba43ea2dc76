//! Marking a row on SQLite, and reading what is captured of it.

use sea_orm::{ConnectionTrait, QueryResult, Value};

use crate::{catalog::Table, db, key::Key, template::Values};

/// A row that was just marked.
pub(super) struct Marked {
    pub(super) key: String,
    pub(super) rule: i64,
    pub(super) column: Option<String>,
    pub(super) marker_value: Option<String>,
    pub(super) marker_before: Option<String>,
    pub(super) payload: Values,
}

pub(super) async fn mark(
    transaction: &impl ConnectionTrait,
    table: &Table,
    key: &Key,
) -> Result<Option<Marked>, db::Error> {
    let d = table.dialect;
    let mut values = Vec::new();
    let matches = table.key_matches("t", key, &mut values);
    let rule = table.rule_number("t");
    let before = format!(
        "select {rule} as rule, {} as marker_before from {} t where {matches}",
        table.marker_text("t", &rule),
        table.sql
    );
    let Some(row) = transaction.query_one_raw(d.statement(before, values.clone())).await? else { return Ok(None) };
    let rule: i64 = row.try_get("", "rule")?;
    let marker_before = row.try_get("", "marker_before")?;
    let update = format!("update {} as t set {} where {matches}", table.sql, table.mark("t", &rule.to_string()));
    transaction.execute_raw(d.statement(update, values.clone())).await?;
    let Some(row) = read(transaction, table, &matches, values).await? else { return Ok(None) };
    let (key, payload) = row;
    let column = usize::try_from(rule).ok().and_then(|rule| table.rules.get(rule)).map(|r| r.column.name.clone());
    let marker_value = column.as_ref().and_then(|column| payload.get(column).cloned().flatten());
    Ok(Some(Marked { key, rule, column, marker_value, marker_before, payload }))
}

/// The row's key and captured columns.
async fn read(
    conn: &impl ConnectionTrait,
    table: &Table,
    matches: &str,
    values: Vec<Value>,
) -> Result<Option<(String, Values)>, db::Error> {
    let columns: Vec<_> = table.payload.iter().enumerate().map(|(n, c)| format!(", {} as c{n}", c.text("t"))).collect();
    let sql = format!("select {} as key{} from {} t where {matches}", table.key_text("t"), columns.concat(), table.sql);
    let Some(row) = conn.query_one_raw(table.dialect.statement(sql, values)).await? else { return Ok(None) };
    Ok(Some((row.try_get("", "key")?, captured(table, &row)?)))
}

fn captured(table: &Table, row: &QueryResult) -> Result<Values, db::Error> {
    let columns = table.payload.iter().enumerate();
    columns.map(|(n, column)| Ok((column.name.clone(), row.try_get("", &format!("c{n}"))?))).collect()
}

impl Table {
    /// The captured columns of the row with this key as they are now, or none if there is no such row (SQLite).
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn read_row(&self, conn: &impl ConnectionTrait, key: &Key) -> Result<Option<Values>, db::Error> {
        let mut values = Vec::new();
        let matches = self.key_matches("t", key, &mut values);
        Ok(read(conn, self, &matches, values).await?.map(|(_, payload)| payload))
    }
}
