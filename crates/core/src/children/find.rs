//! The children of some rows by one rule, in one statement (PostgreSQL) or one a parent (SQLite).

use sea_orm::{ConnectionTrait, QueryResult};
use serde_json::{Value, json};

use crate::{
    catalog::{ChildRule, Table},
    config::ChildThen,
    db::{self, Dialect, literal},
    ids::DeletionId,
    ledger::Ledger,
    state::State,
    store::Store,
    template::Values,
};

/// A row whose children are looked for.
#[derive(Debug, Clone)]
pub(crate) struct Parent {
    /// How the caller recognizes what was found for it.
    pub(crate) label: String,
    /// Its resource and key: a row is not its own child.
    pub(crate) resource: String,
    pub(crate) key: String,
    /// The columns by which children name it.
    pub(crate) values: Values,
}

/// A row that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The parent's label.
    pub(crate) label: String,
    pub(crate) key: String,
    /// The columns by which its own children name it; empty for a table that is no resource.
    pub(crate) values: Values,
    /// Its own deletion, if it has one that is open or dead.
    pub(crate) deletion: Option<(DeletionId, State)>,
}

/// The columns of a parent in the JSON that statements read: label, resource, key, and the values as an object.
pub(crate) const FRONTIER: &str = "n text, r text, k text, v jsonb";

/// Parents as the JSON that statements read.
pub(crate) fn frontier(parents: &[Parent]) -> String {
    let record = |p: &Parent| json!({ "n": p.label, "r": p.resource, "k": p.key, "v": p.values });
    parents.iter().map(record).collect::<Value>().to_string()
}

/// Reads the children of `parents` by `rule`; of a rule that requests deletions those that are not finished yet. With
/// `lock` they are locked, and those that somebody else has locked are left out (PostgreSQL); with `limit` at most so many
/// are read, on SQLite so many a parent.
pub(crate) async fn find(
    conn: &impl ConnectionTrait,
    store: &Store,
    rule: &ChildRule,
    parents: &[Parent],
    lock: bool,
    limit: Option<usize>,
) -> Result<Vec<Found>, db::Error> {
    let limit = limit.map(|limit| format!("limit {limit}")).unwrap_or_default();
    let child = rule.resource.as_ref().and_then(|name| store.catalog.table(name)).map(AsRef::as_ref);
    let requested = rule.then == ChildThen::Request;
    match rule.rows.dialect {
        Dialect::Postgres => {
            let lock = if lock { "for update of c skip locked" } else { "" };
            let sql = format!("{} {limit} {lock}", statement(store, rule));
            let rows = conn.query_all_raw(rule.rows.dialect.statement(sql, [frontier(parents).into()])).await?;
            rows.iter().map(|row| found(row, row.try_get("", "label")?)).collect()
        }
        Dialect::Sqlite => {
            let mut all = Vec::new();
            for parent in parents {
                let mut values = Vec::new();
                let Some(matches) = rule.matches_one("c", &parent.values, &mut values) else { continue };
                let sql = format!("{} {limit}", sqlite(&store.ledger, rule, child, requested, &matches, parent));
                let rows = conn.query_all_raw(rule.rows.dialect.statement(sql, values)).await?;
                let mut marked = Vec::new();
                for row in rows {
                    let one = found(&row, parent.label.clone())?;
                    marked.extend(row.try_get::<Option<String>>("", "marker")?.map(|marker| (one.key.clone(), marker)));
                    all.push(one);
                }
                if let Some(child) = child.filter(|child| requested && child.resource.hash_key) {
                    let finished =
                        store.ledger.finished_under_hash(conn, child.name.as_str(), &marked, &ended("")).await?;
                    all.retain(|one| {
                        one.label != parent.label || one.deletion.is_some() || !finished.contains(&one.key)
                    });
                }
            }
            Ok(all)
        }
    }
}

/// `$1` is an array of parents, see [`FRONTIER`]; returns label, key, links, and the child's own deletion (PostgreSQL).
pub(crate) fn statement(store: &Store, rule: &ChildRule) -> String {
    let child = rule.resource.as_ref().and_then(|name| store.catalog.table(name)).map(AsRef::as_ref);
    let requested = rule.then == ChildThen::Request;
    let key = rule.rows.key_text("c");
    let (own, joined) = own_deletion(&store.ledger, child, &key);
    let unfinished =
        child.filter(|_| requested).map(|child| format!("and {}", unfinished(&store.ledger, child, "c", &key)));
    format!(
        "select x.n as label, {key} as key, ({links})::text as links, {own}
         from jsonb_to_recordset($1::jsonb) as x({FRONTIER}) join {table} c on {matches} {joined}
         where {among} and not (x.r = {name} and x.k = {key}) {unfinished}
         order by {order}",
        among = rule.among("c"),
        links = child.map_or_else(|| "'{}'::jsonb".to_owned(), |child| child.links_json("c")),
        table = rule.rows.sql,
        matches = rule.matches("c", "x.v"),
        name = literal(rule.resource.as_ref().map_or("", |name| name.as_str())),
        unfinished = unfinished.unwrap_or_default(),
        order = rule.rows.key_columns("c"),
    )
}

fn sqlite(
    ledger: &Ledger,
    rule: &ChildRule,
    child: Option<&Table>,
    requested: bool,
    matches: &str,
    parent: &Parent,
) -> String {
    let key = rule.rows.key_text("c");
    let (own, joined) = own_deletion(ledger, child, &key);
    let unfinished = child.filter(|_| requested).map(|child| format!("and {}", unfinished(ledger, child, "c", &key)));
    let itself = match &rule.resource {
        Some(name) if name.as_str() == parent.resource => format!("and {key} <> {}", literal(&parent.key)),
        _ => String::new(),
    };
    format!(
        "select {key} as key, {links} as links, {marker} as marker, {own} from {table} c {joined}
         where {matches} {itself} {unfinished} order by {order}",
        links = child.map_or_else(|| "'{}'".to_owned(), |child| child.links_json("c")),
        marker = child.map_or_else(|| "null".to_owned(), |child| child.marker_text("c", &child.rule_number("c"))),
        table = rule.rows.sql,
        unfinished = unfinished.unwrap_or_default(),
        order = rule.rows.key_columns("c"),
    )
}

/// What to select of, and how to join, the child's own deletion.
fn own_deletion(ledger: &Ledger, child: Option<&Table>, key: &str) -> (String, String) {
    match child {
        None => ("null as id, null as state".to_owned(), String::new()),
        Some(child) => {
            (format!("{} as id, d.state", ledger.dialect.cast("d.id", "text")), own_joined(ledger, child, key))
        }
    }
}

/// At most one, so that PostgreSQL looks it up by its index for each row, whatever it knows of the ledger.
fn own_joined(ledger: &Ledger, child: &Table, key: &str) -> String {
    let (deletion, name) = (&ledger.deletion, literal(child.name.as_str()));
    match ledger.dialect {
        Dialect::Postgres => format!(
            "left join lateral (
                select o.id, o.state from {deletion} o where o.resource = {name} and o.key = {key} limit 1
             ) d on true"
        ),
        Dialect::Sqlite => format!("left join {deletion} d on d.resource = {name} and d.key = {key}"),
    }
}

/// Whether a marked row's deletion, `d`, is not finished: it is open or dead, or there is none that ended; a row that is kept, or whose deletion on-call gave up, still carries
/// the marker of a deletion that ended.
pub(crate) fn unfinished(ledger: &Ledger, table: &Table, alias: &str, key: &str) -> String {
    let marker = table.marker_text(alias, &table.rule_number(alias));
    let name = literal(table.name.as_str());
    format!(
        "(d.id is not null or not exists (select 1 from {} f where f.resource = {name} and {} and f.marker_value = {marker}
            and ({})))",
        ledger.done,
        ledger.is_kept_as("f", &name, key),
        ended("f."),
    )
}

/// Whether a deletion was completed, or given up by on-call.
fn ended(alias: &str) -> String {
    format!("{alias}state = '{}' or {alias}cancelled_by = 'discarded'", State::Completed)
}

fn found(row: &QueryResult, label: String) -> Result<Found, db::Error> {
    let links: String = row.try_get("", "links")?;
    let id: Option<String> = row.try_get("", "id")?;
    let state: Option<String> = row.try_get("", "state")?;
    let deletion = match id.zip(state) {
        None => None,
        Some((id, state)) => Some((
            id.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))?,
            state.parse().map_err(|e: crate::state::UnknownState| db::Error::unreadable(e.to_string()))?,
        )),
    };
    Ok(Found {
        label,
        key: row.try_get("", "key")?,
        values: serde_json::from_str(&links).map_err(|e| db::Error::unreadable(e.to_string()))?,
        deletion,
    })
}
