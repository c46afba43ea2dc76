//! Rows that carry their marker although Sexton was never asked to delete them: orphans. They were marked by hand, by an
//! import, or by an application before it used Sexton.
//!
//! They are looked for in key order, a bounded number of rows a statement, whatever part of them is marked. Whoever asks
//! for one in this moment holds its lock until the deletion is recorded, and a locked row is passed over: an orphan that
//! was found under its own lock is one.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;

use crate::{
    catalog::{Among, Cursor, Lock, Rule, Table},
    db::{self, Dialect, kill_point, literal},
    key::Key,
    ledger::Ledger,
    soft_remove::{Request, Requested, soft_remove},
    store::Store,
};

/// A row marked so lately may belong to a request that is not recorded yet.
const YOUNG_MS: i64 = 10 * 60 * 1000;

/// Whether a deletion left its row as it is: kept, given up or taken back.
const LEFT: &str = "row_outcome = 'kept' or cancelled_by in ('discarded', 'restored')";

/// A marked row without a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its key.
    pub key: Key,
    /// When it was marked, RFC 3339; none if its marker does not say so.
    pub marked_at: Option<String>,
    /// Whether that was within the time since when rows are to be adopted.
    pub recent: bool,
}

/// What a page of rows came to.
#[derive(Debug, Clone)]
pub struct Orphans {
    /// Rows that were looked at.
    pub looked: usize,
    /// Those without a deletion.
    pub orphans: Vec<Orphan>,
    /// Where to go on; none at the end of the table.
    pub next: Option<Cursor>,
}

/// Looks at the next `limit` rows of `table` in key order. `since` is a time in RFC 3339.
///
/// # Errors
/// Whatever the database says.
pub async fn orphans(
    store: &Store,
    table: &Table,
    since: Option<&str>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Orphans, db::Error> {
    let time = |rule: &Rule| rule.value.is_none().then(|| rule.column.instant("t"));
    let rule = table.rule_number("t");
    let at = table
        .by_rule(&rule, |rule| time(rule).map_or_else(|| "null".to_owned(), |time| table.dialect.instant_text(&time)));
    let recent = table.by_rule(&rule, |rule| match (time(rule), since) {
        (Some(time), Some(since)) => {
            format!("coalesce({time} >= {}, false)", table.dialect.instant(&literal(since)))
        }
        _ => "false".to_owned(),
    });
    let columns = [
        (at, "marked_at"),
        (recent, "recent"),
        (table.marker_text("t", &rule), "marker"),
        (orphan(&store.ledger, table), "orphan"),
    ];
    let page = table.paging().next_rows(&store.db, &columns, after, limit).await?;
    let looked = page.rows.len();
    let (mut orphans, mut markers): (Vec<Orphan>, Vec<(String, String)>) = (Vec::new(), Vec::new());
    for (key, row) in page.rows {
        if row.try_get("", "orphan")? {
            // On SQLite a column may hold what is no value of its type.
            let Some(key) = key else {
                tracing::warn!(resource = %table.name, "a marked row has no key that could be asked for");
                continue;
            };
            markers.push((key.to_string(), row.try_get("", "marker")?));
            orphans.push(Orphan { key, marked_at: row.try_get("", "marked_at")?, recent: row.try_get("", "recent")? });
        }
    }
    // Whether its key is kept is for the deletion to say, which may be older than the configuration.
    if table.dialect == Dialect::Sqlite && !markers.is_empty() {
        let finished = store.ledger.finished_under_hash(&store.db.conn, table.name.as_str(), &markers, LEFT).await?;
        orphans.retain(|orphan| !finished.contains(&orphan.key.to_string()));
    }
    Ok(Orphans { looked, orphans, next: page.next })
}

/// Requests the deletion of those of `keys` that are still orphans and that nobody has locked, in a transaction of its own
/// that waits for nobody.
///
/// # Errors
/// Whatever the database says, also that a row that goes along has been locked for 100 ms; nothing was changed then.
pub async fn adopt(store: &Store, table: &Table, keys: &[Key], request: &Request) -> Result<Vec<Requested>, db::Error> {
    let transaction = store.db.begin_giving_way().await?;
    let adopted = async {
        let orphan = orphan(&store.ledger, table);
        let among = Among { source: &table.sql, condition: &orphan, lock: Lock::Skip };
        let mut keys = table.rows_among(&transaction, keys, &among).await?;
        if table.dialect == Dialect::Sqlite && !keys.is_empty() {
            let seen = seen_under_hash(&transaction, &store.ledger, table, &keys).await?;
            keys.retain(|key| !seen.contains(&key.to_string()));
        }
        soft_remove(&transaction, store, table, &keys, request).await
    };
    match adopted.await {
        Ok(requested) => {
            kill_point("adopt::before");
            transaction.commit().await?;
            kill_point("adopt::committed");
            Ok(requested.into_iter().filter(|one| one.created).collect())
        }
        Err(error) => {
            transaction.rollback().await?;
            Err(error)
        }
    }
}

/// Those of the keys whose deletion is kept under a hash (SQLite, where [`orphan`] cannot see it).
async fn seen_under_hash(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    keys: &[Key],
) -> Result<HashSet<String>, db::Error> {
    let mut markers = Vec::with_capacity(keys.len());
    for key in keys {
        let mut values = Vec::new();
        let matches = table.key_matches("t", key, &mut values);
        let marker = table.marker_text("t", &table.rule_number("t"));
        let sql = format!("select {marker} as marker from {} t where {matches}", table.sql);
        if let Some(row) = transaction.query_one_raw(table.dialect.statement(sql, values)).await? {
            markers.push((key.to_string(), row.try_get("", "marker")?));
        }
    }
    ledger.finished_under_hash(transaction, table.name.as_str(), &markers, LEFT).await
}

/// Whether the row `t` is an orphan: it has been marked for a while, and neither a deletion of its own speaks of this
/// marker nor that of a row it goes with. A deletion that was taken back or given up speaks of it, too.
fn orphan(ledger: &Ledger, table: &Table) -> String {
    let (key, name) = (table.key_text("t"), literal(table.name.as_str()));
    let rule = table.rule_number("t");
    let marker = table.marker_text("t", &rule);
    let old = table.by_rule(&rule, |rule| {
        match rule.value {
            Some(_) => "true".to_owned(),
            // Text that is no time was not written a moment ago by anybody who writes times.
            None => {
                format!("coalesce({} < {}, true)", rule.column.instant("t"), table.dialect.instant_ago(YOUNG_MS))
            }
        }
    });
    let (deletion, done, child) = (&ledger.deletion, &ledger.done, &ledger.child);
    format!(
        "({marked} and {old}
            and not exists (select 1 from {deletion} d where d.resource = {name} and d.key = {key})
            and not exists (select 1 from {child} c where c.resource = {name} and c.key = {key} and c.marker_value = {marker})
            and not exists (select 1 from {done} f where f.resource = {name} and {kept_as} and f.marker_value = {marker}
                and ({LEFT})))",
        marked = table.marked("t"),
        kept_as = ledger.is_kept_as("f", &name, &key),
    )
}
