//! Deleting rows by their keys, and clearing the references of rows.

use sea_orm::ConnectionTrait;

use super::Error;
use crate::{
    catalog::{ChildRule, Rows},
    db::{Dialect, Sql},
    key::Key,
};

/// What is done with children.
#[derive(Debug, Clone, Copy)]
pub(super) enum ChildChange<'c> {
    /// They are deleted.
    Delete,
    /// They stay, and reference no parent by this rule any more.
    Clear(&'c ChildRule),
}

/// Changes the rows with these keys.
pub(super) async fn change(
    transaction: &impl ConnectionTrait,
    rows: &Rows,
    keys: &[&str],
    change: ChildChange<'_>,
) -> Result<(), Error> {
    let statement = statement(rows, change);
    let parsed = parse(rows, keys);
    let changed = match rows.dialect {
        Dialect::Postgres => {
            statement.bind([("keys", Key::records(&parsed).to_string().into())]).execute(transaction).await?
        }
        Dialect::Sqlite => {
            let mut changed = 0;
            for key in parsed {
                changed += statement.bind_all(key.values()).execute(transaction).await?;
            }
            changed
        }
    };
    if usize::try_from(changed).is_ok_and(|changed| changed == keys.len()) {
        Ok(())
    } else {
        Err(Error::RowKept { table: rows.sql.clone() })
    }
}

/// For all the rows (PostgreSQL) or for one (SQLite).
fn statement(rows: &Rows, change: ChildChange<'_>) -> Sql {
    let words = || rows.words().with([("key_record", rows.key_record())]);
    match change {
        ChildChange::Delete => rows.rendered.get("children.delete", || {
            let words = words();
            words.render(words.pick(
                "-- delete children
                 delete from {table} t using {keys} where {key_equals}",
                "-- delete a child\ndelete from {table} as t where {key_is_bound}",
            ))
        }),
        // A rule has rows of its own, so that the name means one rule.
        ChildChange::Clear(rule) => rows.rendered.get("children.clear", || {
            let words = words().with([("clear_reference", rule.link.nullify("t"))]);
            words.render(words.pick(
                "-- clear the references of children
                 update {table} t set {clear_reference} from {keys} where {key_equals}",
                "-- clear the reference of a child\nupdate {table} as t set {clear_reference} where {key_is_bound}",
            ))
        }),
    }
}

/// Those of the keys that can be keys of the table.
pub(super) fn parse(rows: &Rows, keys: &[&str]) -> Vec<Key> {
    keys.iter().filter_map(|key| rows.parse_key(key).ok()).collect()
}
