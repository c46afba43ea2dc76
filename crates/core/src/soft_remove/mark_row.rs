//! Marking one row on SQLite, and reading what is captured of it.

use sea_orm::ConnectionTrait;

use crate::{
    catalog::Table,
    db::{self, Row, Words},
    key::Key,
    template::Values,
};

/// A row that was just marked.
pub(super) struct MarkedRow {
    pub(super) key: String,
    /// The number of the marker rule by which it was marked.
    pub(super) rule: usize,
    /// The marker column of that rule.
    pub(super) marker_column: Option<String>,
    pub(super) marker_value: Option<String>,
    /// What the marker column held a moment ago.
    pub(super) marker_before: Option<String>,
    pub(super) payload: Values,
}

/// Marks the row with this key; none if there is none.
pub(super) async fn mark_row(
    transaction: &impl ConnectionTrait,
    table: &Table,
    key: &Key,
) -> Result<Option<MarkedRow>, db::Error> {
    let find = table.rendered.get("mark_row.find", || {
        let rule_number = table.rule_number("t");
        words(table)
            .with([("marker_by_rule_number", table.marker_text("t", &rule_number)), ("rule_number", rule_number)])
            .render(
                "-- find the row that is to be marked
                 select {rule_number} as rule, {marker_by_rule_number} as marker_before
                 from {table} t where {key_is_bound}",
            )
    });
    let Some(row) = find.bind_all(key.values()).one(transaction).await? else { return Ok(None) };
    let (rule, marker_before) = (row.count::<usize>("rule")?, row.get("marker_before")?);
    let mark = table.rendered.get(format!("mark_row.mark by rule {rule}"), || {
        words(table)
            .with([("mark", table.mark("t", &rule.to_string()))])
            .render("-- mark the row\nupdate {table} as t set {mark} where {key_is_bound}")
    });
    mark.bind_all(key.values()).execute(transaction).await?;
    let Some((key, payload)) = read(transaction, table, key).await? else { return Ok(None) };
    let marker_column = table.rules.get(rule).map(|rule| rule.column.name.clone());
    let marker_value = marker_column.as_ref().and_then(|column| payload.get(column).cloned().flatten());
    Ok(Some(MarkedRow { key, rule, marker_column, marker_value, marker_before, payload }))
}

impl Table {
    /// The captured columns of the row with this key as they are now, or none if there is no such row (SQLite).
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer, or a column holds what is no text.
    pub async fn read_row(&self, conn: &impl ConnectionTrait, key: &Key) -> Result<Option<Values>, db::Error> {
        Ok(read(conn, self, key).await?.map(|(_, payload)| payload))
    }
}

/// The row's key and captured columns.
async fn read(conn: &impl ConnectionTrait, table: &Table, key: &Key) -> Result<Option<(String, Values)>, db::Error> {
    let read = table.rendered.get("mark_row.read", || {
        let columns = table.payload.iter().enumerate();
        let columns: Vec<_> = columns.map(|(n, column)| format!(", {} as c{n}", column.text("t"))).collect();
        words(table)
            .with([("columns", columns.concat())])
            .render("-- read the row\nselect {key} as key{columns} from {table} t where {key_is_bound}")
    });
    let Some(row) = read.bind_all(key.values()).one(conn).await? else { return Ok(None) };
    Ok(Some((row.get("key")?, captured(table, &row)?)))
}

fn captured(table: &Table, row: &Row) -> Result<Values, db::Error> {
    let columns = table.payload.iter().enumerate();
    columns.map(|(n, column)| Ok((column.name.clone(), row.get(&format!("c{n}"))?))).collect()
}

fn words(table: &Table) -> Words {
    Words::new(table.dialect).with([
        ("table", table.sql.clone()),
        ("key", table.key_text("t")),
        ("key_is_bound", table.key_is_bound("t")),
    ])
}
