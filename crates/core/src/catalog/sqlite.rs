//! SQLite's catalogue (`sqlite_schema` and the table-valued pragmas).

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;

use super::{
    column::Column,
    table::{Description, Relation},
};
use crate::db::{self, Db, Dialect, quote};

pub(super) async fn describe(db: &Db, table: &str) -> Result<Option<Description>, db::Error> {
    let name = table.strip_prefix("main.").unwrap_or(table);
    let one = |sql: &str| Dialect::Sqlite.statement(sql, [name.into()]);
    // Column names in SQLite compare without case; so do table names.
    let sql = "select type, name from sqlite_schema where type in ('table', 'view') and name = $1 collate nocase";
    let Some(row) = db.conn.query_one_raw(one(sql)).await? else { return Ok(None) };
    let kind: String = row.try_get("", "type")?;
    let name: String = row.try_get("", "name")?;
    let sql = "select name, type, \"notnull\" as not_null, pk, hidden from pragma_table_xinfo($1) order by cid";
    let mut columns = Vec::new();
    let mut primary = Vec::new();
    for row in db.conn.query_all_raw(one(sql)).await? {
        let column: String = row.try_get("", "name")?;
        let declared: String = row.try_get("", "type")?;
        let place: i64 = row.try_get("", "pk")?;
        if place > 0 {
            primary.push((place, column.clone()));
        }
        columns.push(Column {
            name: column,
            base_type: declared.clone(),
            type_name: declared,
            not_null: row.try_get::<i64>("", "not_null")? != 0,
            generated: row.try_get::<i64>("", "hidden")? >= 2,
            dialect: Dialect::Sqlite,
        });
    }
    primary.sort();
    let primary_key: Vec<String> = primary.into_iter().map(|(_, column)| column).collect();
    let mut unique: Vec<BTreeSet<String>> =
        if primary_key.is_empty() { vec![] } else { vec![primary_key.iter().cloned().collect()] };
    let sql = "select name from pragma_index_list($1) where \"unique\" = 1 and partial = 0";
    for row in db.conn.query_all_raw(one(sql)).await? {
        let index: String = row.try_get("", "name")?;
        let sql = "select name from pragma_index_info($1)";
        let rows = db.conn.query_all_raw(Dialect::Sqlite.statement(sql, [index.into()])).await?;
        let names = rows.iter().map(|row| row.try_get::<Option<String>>("", "name")).collect::<Result<Vec<_>, _>>()?;
        // An expression has no name, and says nothing about columns.
        if let Some(names) = names.into_iter().collect::<Option<BTreeSet<String>>>() {
            unique.push(names);
        }
    }
    Ok(Some(Description {
        sql: quote(&name),
        relation: if kind == "table" { Relation::Table } else { Relation::View },
        columns,
        primary_key,
        unique,
        row_security: false,
        rewrite_rule: false,
    }))
}
