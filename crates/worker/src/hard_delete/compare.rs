//! What became of a row since its deletion was recorded.

use std::collections::HashMap;

use sea_orm::ConnectionTrait;
use serde_json::{Map, Value, json};
use sexton_core::{
    catalog::Table,
    db::{self, Dialect, recordset},
    key::Key,
    template::Values,
};

/// A row as it is now, held against what was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Now {
    /// Every captured column is unchanged.
    Same,
    /// It is still marked, but a captured column changed since.
    Changed(Values),
    /// It does not carry a marker that we wrote.
    LiveAgain,
    /// There is no such row.
    Gone,
}

/// A row to look at: its key, the rule that marked it if one did, and what was captured.
pub(crate) type Captured<'a> = (&'a Key, Option<usize>, &'a Values);

/// Reads rows of one table as they are now, in one statement, without locking them. One answer for each, in order.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn compare(
    conn: &impl ConnectionTrait,
    table: &Table,
    rows: &[Captured<'_>],
) -> Result<Vec<Now>, db::Error> {
    match table.dialect {
        Dialect::Postgres => {
            let mut found = select(conn, table, rows, "").await?;
            Ok((0..rows.len()).map(|n| found.remove(&n).unwrap_or(Now::Gone)).collect())
        }
        Dialect::Sqlite => {
            let mut now = Vec::with_capacity(rows.len());
            for (key, rule, captured) in rows {
                now.push(match table.read_row(conn, key).await? {
                    None => Now::Gone,
                    Some(values) => judge(table, *rule, captured, values),
                });
            }
            Ok(now)
        }
    }
}

/// Holds values that were just read against those that were captured. A row that was gone when its deletion was recorded
/// and is there is another one, whatever it says: nobody asked for that one.
pub(crate) fn judge(table: &Table, rule: Option<usize>, captured: &Values, now: Values) -> Now {
    let Some(rule) = rule else { return Now::LiveAgain };
    let same = |column: &str| captured.get(column) == now.get(column);
    let marker = table.rules.get(rule);
    if let Some(marker) = marker.filter(|marker| !same(&marker.column.name)) {
        // Another time in a time marker: un-removed and removed again while this deletion was running, which phase 1
        // leaves alone. It is wanted gone, as it is now.
        let removed_again = marker.value.is_none() && now.get(&marker.column.name).is_some_and(Option::is_some);
        if removed_again { Now::Changed(now) } else { Now::LiveAgain }
    } else if table.payload.iter().all(|column| same(&column.name)) {
        Now::Same
    } else {
        Now::Changed(now)
    }
}

/// The rows that exist, by their place in `rows` (PostgreSQL). `lock` is empty or a locking clause for `t`.
pub(super) async fn select(
    conn: &impl ConnectionTrait,
    table: &Table,
    rows: &[Captured<'_>],
    lock: &str,
) -> Result<HashMap<usize, Now>, db::Error> {
    let sql = format!(
        "select x.n, ({payload})::text as payload from {wanted} join {table} t on {key} order by {order} {lock}",
        payload = table.payload_json("t"),
        wanted = recordset(1, &format!("n int, {}", table.key_record())),
        table = table.sql,
        key = table.key_equals("t", "x"),
        order = table.key_columns("t"),
    );
    let values = [records(rows).to_string().into()];
    let mut found = HashMap::new();
    for row in conn.query_all_raw(table.dialect.statement(sql, values)).await? {
        let n = usize::try_from(row.try_get::<i32>("", "n")?).unwrap_or_default();
        let payload: String = row.try_get("", "payload")?;
        let values: Values = serde_json::from_str(&payload).map_err(|e| db::Error::unreadable(e.to_string()))?;
        let Some((_, rule, captured)) = rows.get(n) else { continue };
        found.insert(n, judge(table, *rule, captured, values));
    }
    Ok(found)
}

/// The rows as records of `n`, the key's parts, and what was captured.
pub(super) fn records(rows: &[Captured<'_>]) -> Value {
    let record = |(n, (key, _, captured)): (usize, &Captured<'_>)| {
        let mut record = Map::new();
        record.insert("n".to_owned(), json!(n));
        record.insert("payload".to_owned(), json!(captured));
        key.write(&mut record);
        Value::Object(record)
    };
    rows.iter().enumerate().map(record).collect()
}
