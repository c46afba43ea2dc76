//! `adopt`: orphans, which are rows that carry their marker although Sexton was never asked to delete them. They were
//! marked by hand, by an import, or by an application before it used Sexton.
//!
//! The sweep reads the whole table in key order, a bounded number of rows a statement. An application that requests the
//! deletion of an orphan holds its lock until the deletion is recorded, and adopting passes over locked rows. So a row
//! that is an orphan under our own lock is one.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;

use crate::{
    catalog::{Among, Cursor, MarkerRule, Table},
    db::{self, NextPage, RowLocks, kill_point, literal},
    key::Key,
    ledger::{Ending, Ledger},
    soft_remove::{DeletionRequest, Requested, soft_remove},
    store::Store,
};

/// A row marked so lately may belong to a request that is not recorded yet.
const YOUNG_MS: i64 = 10 * 60 * 1000;

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

/// The orphans of a page of rows.
#[derive(Debug, Clone)]
pub struct OrphanPage {
    /// Rows that were read, orphans or not.
    pub rows_read: usize,
    /// The orphans among them.
    pub orphans: Vec<Orphan>,
    /// Where the next page begins; none at the end of the table.
    pub next: Option<Cursor>,
}

/// Finds the orphans among the next rows of `table` in key order. `since` is a time in RFC 3339.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses, also when the table has been locked for 100 ms.
pub async fn find_orphans(
    store: &Store,
    table: &Table,
    since: Option<&str>,
    page: NextPage<'_, Cursor>,
) -> Result<OrphanPage, db::Error> {
    let time = |rule: &MarkerRule| rule.value.is_none().then(|| rule.column.instant("t"));
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
        (is_orphan(&store.ledger, table), "is_orphan"),
    ];
    let page = table.paging().next_rows(&store.db, &columns, page).await?;
    let rows_read = page.rows.len();
    let (mut orphans, mut markers): (Vec<Orphan>, Vec<(String, String)>) = (Vec::new(), Vec::new());
    for (key, row) in page.rows {
        if row.get("is_orphan")? {
            // On SQLite a column may hold what is no value of its type.
            let Some(key) = key else {
                tracing::warn!(
                    resource = %table.name,
                    "a marked row has no key by which its deletion could be requested"
                );
                continue;
            };
            markers.push((key.to_string(), row.get("marker")?));
            orphans.push(Orphan { key, marked_at: row.get("marked_at")?, recent: row.get("recent")? });
        }
    }
    // Whether a deletion keeps its key or a hash is written in the deletion, which may be older than the configuration.
    if !table.dialect.can_hash() && !markers.is_empty() {
        let finished =
            store.ledger.finished_under_hash(&store.db.conn, table.name.as_str(), &markers, Ending::LeftTheRow).await?;
        orphans.retain(|orphan| !finished.contains(&orphan.key.to_string()));
    }
    Ok(OrphanPage { rows_read, orphans, next: page.next })
}

/// Requests the deletion of those of `keys` that are still orphans and are not locked, in a transaction of its own that
/// waits at most 100 ms for a lock.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses, also when a child of a row is locked; nothing changed
/// then.
pub async fn adopt(
    store: &Store,
    table: &Table,
    keys: &[Key],
    request: &DeletionRequest,
) -> Result<Vec<Requested>, db::Error> {
    let transaction = store.db.begin_giving_way().await?;
    let adopted = async {
        let is_orphan = is_orphan(&store.ledger, table);
        let among = Among { source: &table.sql, condition: &is_orphan, locks: RowLocks::SkipLocked };
        let mut keys = table.rows_among(&transaction, keys, &among).await?;
        if !table.dialect.can_hash() && !keys.is_empty() {
            let deleted = deleted_under_hash(&transaction, &store.ledger, table, &keys).await?;
            keys.retain(|key| !deleted.contains(&key.to_string()));
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

/// Those of the keys that have a finished deletion under a hash (SQLite, where [`is_orphan`] cannot see it).
async fn deleted_under_hash(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    keys: &[Key],
) -> Result<HashSet<String>, db::Error> {
    let read_marker = table.rendered.get("adopt.read_marker", || {
        table
            .words()
            .with([("marker", table.marker_text("t", &table.rule_number("t")))])
            .render("-- read the marker of a row\nselect {marker} as marker from {table} t where {key_is_bound}")
    });
    let mut markers = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(row) = read_marker.bind_all(key.values()).one(transaction).await? {
            markers.push((key.to_string(), row.get("marker")?));
        }
    }
    ledger.finished_under_hash(transaction, table.name.as_str(), &markers, Ending::LeftTheRow).await
}

/// Whether the row `t` is an orphan, as an SQL expression.
fn is_orphan(ledger: &Ledger, table: &Table) -> String {
    let (key, name) = (table.key_text("t"), literal(table.name.as_str()));
    let rule = table.rule_number("t");
    let is_old = table.by_rule(&rule, |rule| {
        match rule.value {
            Some(_) => "true".to_owned(),
            // Text that is no time was not written a moment ago by an application that writes times.
            None => {
                format!("coalesce({} < {}, true)", rule.column.instant("t"), table.dialect.instant_ago(YOUNG_MS))
            }
        }
    });
    let words = ledger.words.clone().with(table.fragments()).with([
        ("kept_as", ledger.is_kept_as("f", &name, &key)),
        ("resource_name", name),
        ("is_marked", table.marked("t")),
        ("is_old", is_old),
        ("marker", table.marker_text("t", &rule)),
        ("left_the_row", ledger.words.expand(Ending::LeftTheRow.condition())),
    ]);
    words.expand(include_str!("adopt.is_orphan.sql"))
}
