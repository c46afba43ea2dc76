//! Moves waiting parents on: due when the last child's deletion is finished, dead when one is dead.

use serde_json::json;

use crate::{
    db::{self, Db, Row, Sql, Words},
    ids::DeletionId,
    ledger::Ledger,
    state::State,
};

/// A deletion that waited and does so no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advanced {
    /// The deletion.
    pub id: DeletionId,
    /// Its resource.
    pub resource: String,
    /// Where it is now: pending, or dead because a child's deletion is.
    pub state: State,
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    all: Sql,
    near: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let advance = |near: &str| {
            let words = words.clone().with([("near", words.expand(near))]);
            words.render(include_str!("advance.waiting.sql"))
        };
        Self { all: advance(""), near: advance(words.pick(NEAR_POSTGRES, NEAR_SQLITE)) }
    }
}

/// The words and these, of a deletion `d` that waits and its children's:
/// * `{has_dead_child}`: whether one is dead, and `{has_no_child}`: whether all are finished;
/// * `{any_to_advance}`: whether any deletion that waits is to be moved on.
pub(in crate::ledger) fn words(words: Words) -> Words {
    let parts = [("has_dead_child", words.expand(HAS_DEAD_CHILD)), ("has_no_child", words.expand(HAS_NO_CHILD))];
    let words = words.with(parts);
    let any_to_advance = words.expand(ANY_TO_ADVANCE);
    words.with([("any_to_advance", any_to_advance)])
}

const HAS_DEAD_CHILD: &str = "exists (
    select 1 from {wait} w join {deletion} c on c.id = w.child_id where w.deletion_id = d.id and c.state = {dead})";

const HAS_NO_CHILD: &str =
    "not exists (select 1 from {wait} w join {deletion} c on c.id = w.child_id where w.deletion_id = d.id)";

const ANY_TO_ADVANCE: &str = "exists (
    select 1 from {deletion} d where d.state in ({from:ChildrenFinished}) and ({has_dead_child} or {has_no_child}))";

/// Whether `d` is one of these deletions or waits for one of them.
const NEAR_POSTGRES: &str = "and d.id = any (array(
    select w.deletion_id from {wait} w where w.child_id {any_uuid:@near}
    union all
    select x.value::uuid from {texts:@near} x))";
const NEAR_SQLITE: &str = "and d.id in (
    select w.deletion_id from {wait} w where w.child_id {any_uuid:@near}
    union all
    select x.value from {texts:@near} x)";

impl Ledger {
    /// Moves on what waits: deletions whose children's are all finished are due, and those of which a child's is dead
    /// are dead as well. Safe at any time and in several processes at once; at most `limit` at a time.
    ///
    /// * `near`: only these deletions and those that wait for them. None: all, which costs the more the more of them
    ///   wait.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn advance_waiting(
        &self,
        db: &Db,
        near: Option<&[DeletionId]>,
        limit: u32,
    ) -> Result<Vec<Advanced>, db::Error> {
        let limit = ("limit", i64::from(limit).into());
        let query = match near {
            None => self.sql.advance.all.bind([limit]),
            Some(near) => self.sql.advance.near.bind([limit, ("near", json!(near).to_string().into())]),
        };
        let advanced = |row: &Row| {
            Ok(Advanced { id: row.parse("id")?, resource: row.get("resource")?, state: row.parse("state")? })
        };
        query.all(&db.conn).await?.iter().map(advanced).collect()
    }
}
