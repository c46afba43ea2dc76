//! Deleting rows by their keys, and clearing the references of rows.

use sea_orm::ConnectionTrait;

use super::Error;
use crate::{
    catalog::{ChildRule, Rows},
    db::{Dialect, Words},
    key::Key,
};

/// What is done with children.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'c> {
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
    change: Change<'_>,
) -> Result<(), Error> {
    let words = Words::new(rows.dialect).with([("table", rows.sql.clone())]);
    let words = match change {
        Change::Delete => words,
        Change::Clear(rule) => words.with([("clear_reference", rule.link.nullify("t"))]),
    };
    let parsed = parse(rows, keys);
    let changed = match rows.dialect {
        Dialect::Postgres => {
            let words = words.with([("key_record", rows.key_record()), ("key_is_wanted", rows.key_equals("t", "x"))]);
            let text = match change {
                Change::Delete => {
                    "-- delete children
                     delete from {table} t using jsonb_to_recordset(@keys::jsonb) as x({key_record})
                     where {key_is_wanted}"
                }
                Change::Clear(_) => {
                    "-- clear the references of children
                     update {table} t set {clear_reference} from jsonb_to_recordset(@keys::jsonb) as x({key_record})
                     where {key_is_wanted}"
                }
            };
            words.render(text).bind([("keys", Key::records(&parsed).to_string().into())]).execute(transaction).await?
        }
        Dialect::Sqlite => {
            let words = words.with([("key_is_bound", rows.key_is_bound("t"))]);
            let statement = words.render(match change {
                Change::Delete => "-- delete a child\ndelete from {table} as t where {key_is_bound}",
                Change::Clear(_) => {
                    "-- clear the reference of a child\nupdate {table} as t set {clear_reference} where {key_is_bound}"
                }
            });
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

/// Those of the keys that can be keys of the table.
pub(super) fn parse(rows: &Rows, keys: &[&str]) -> Vec<Key> {
    keys.iter().filter_map(|key| rows.parse_key(key).ok()).collect()
}
