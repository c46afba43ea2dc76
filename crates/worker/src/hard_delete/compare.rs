//! What became of a row since its deletion was recorded.

use std::collections::HashMap;

use sea_orm::ConnectionTrait;
use serde_json::{Map, Value, json};
use sexton_core::{
    catalog::Table,
    db::{self, Dialect, RowLocks, Words},
    key::Key,
    template::Values,
};

/// A row as it is now, compared with what was captured.
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
/// [`db::Error`] when the database does not answer or refuses.
pub(crate) async fn compare(
    conn: &impl ConnectionTrait,
    table: &Table,
    rows: &[Captured<'_>],
) -> Result<Vec<Now>, db::Error> {
    match table.dialect {
        Dialect::Postgres => {
            let mut found = read_existing(conn, table, rows, RowLocks::None).await?;
            Ok((0..rows.len()).map(|n| found.remove(&n).unwrap_or(Now::Gone)).collect())
        }
        Dialect::Sqlite => {
            let mut now = Vec::with_capacity(rows.len());
            for row in rows {
                now.push(compare_one(conn, table, *row).await?);
            }
            Ok(now)
        }
    }
}

/// The same for one row (SQLite).
pub(super) async fn compare_one(
    conn: &impl ConnectionTrait,
    table: &Table,
    (key, rule, captured): Captured<'_>,
) -> Result<Now, db::Error> {
    let now = table.read_row(conn, key).await?;
    Ok(now.map_or(Now::Gone, |now| judge(table, rule, captured, now)))
}

/// Compares values that were just read with those that were captured. A row that was gone when its deletion was
/// recorded and is there now is another one, whose deletion was not requested.
fn judge(table: &Table, rule: Option<usize>, captured: &Values, now: Values) -> Now {
    let Some(rule) = rule else { return Now::LiveAgain };
    let same = |column: &str| captured.get(column) == now.get(column);
    let marker = table.rules.get(rule);
    if let Some(marker) = marker.filter(|marker| !same(&marker.column.name)) {
        // Another time in a time marker: the row was unmarked and marked anew while this deletion was running, which
        // phase 1 does not change. It is to be deleted as it is now.
        let removed_anew = marker.value.is_none() && now.get(&marker.column.name).is_some_and(Option::is_some);
        if removed_anew { Now::Changed(now) } else { Now::LiveAgain }
    } else if table.payload.iter().all(|column| same(&column.name)) {
        Now::Same
    } else {
        Now::Changed(now)
    }
}

/// The rows that exist, by their number in `rows` (PostgreSQL).
pub(super) async fn read_existing(
    conn: &impl ConnectionTrait,
    table: &Table,
    rows: &[Captured<'_>],
    locks: RowLocks,
) -> Result<HashMap<usize, Now>, db::Error> {
    let sql = table.rendered.get(format!("hard_delete.read.{}", locks.as_str()), || {
        let words = Words::new(table.dialect).with([
            ("table", table.sql.clone()),
            ("payload", table.payload_json("t")),
            ("key_record", table.key_record()),
            ("key_is_wanted", table.key_equals("t", "x")),
            ("key_columns", table.key_columns("t")),
            ("locks", locks.clause("t")),
        ]);
        words.render(include_str!("compare.postgres.sql"))
    });
    let keys: Vec<_> = rows.iter().map(|(key, ..)| *key).collect();
    let read = sql.bind([("rows", numbered(&keys).to_string().into())]);
    let mut found = HashMap::new();
    for row in read.all(conn).await? {
        let n: usize = row.count("n")?;
        let values: Values = row.json("payload")?;
        let Some((_, rule, captured)) = rows.get(n) else { continue };
        found.insert(n, judge(table, *rule, captured, values));
    }
    Ok(found)
}

/// Records of the keys' numbers and parts.
fn numbered(keys: &[&Key]) -> Value {
    let record = |(n, key): (usize, &&Key)| {
        let mut record = Map::from_iter([("n".to_owned(), json!(n))]);
        key.write(&mut record);
        Value::Object(record)
    };
    keys.iter().enumerate().map(record).collect()
}

/// The rows as records of their number, the key's parts, and what was captured.
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
