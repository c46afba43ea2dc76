//! Letting deletions wait for those of their children.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::{
    db::{self, Row, Sql, Words},
    ids::DeletionId,
    ledger::Ledger,
};

/// The first of the two numbers of our advisory locks (PostgreSQL §13.3.5).
const LINKING: i32 = 0x5E87;
/// How many advisory locks there are for ids that are linked at the same time: the server has room for a limited
/// number.
const LOCKS: i32 = 256;

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    /// PostgreSQL only.
    lock: Sql,
    new: Sql,
    known: Sql,
    mark_waiting: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let words = words.clone().with([("linking", LINKING.to_string()), ("locks", LOCKS.to_string())]);
        let new = words.pick(include_str!("link.new.postgres.sql"), include_str!("link.new.sqlite.sql"));
        let known = words.pick(include_str!("link.known.postgres.sql"), include_str!("link.known.sqlite.sql"));
        let mark_waiting = "-- put deletions that wait for others in that state
            update {deletion} as d set state = {to:ChildrenFirst}
            where d.id {any_uuid:@deletions} and d.state = {pending}
                and exists (select 1 from {wait} w where w.deletion_id = d.id)
            returning {text:id} as id";
        Self {
            lock: words.render_for(include_str!("link.lock.postgres.sql"), &["deletions"]),
            new: words.render_for(new, &["pairs"]),
            known: words.render_for(known, &["pairs"]),
            mark_waiting: words.render_for(mark_waiting, &["deletions"]),
        }
    }
}

impl Ledger {
    /// Records which deletion waits for which, as pairs of parent and child, in the caller's transaction. The children
    /// are new and wait for no deletion yet.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
    pub async fn link_new(
        &self,
        transaction: &impl ConnectionTrait,
        pairs: &[(DeletionId, DeletionId)],
    ) -> Result<(), db::Error> {
        self.link(transaction, &self.sql.link.new, pairs).await
    }

    /// The same for any deletions. A pair that would make two deletions wait for each other, directly or not, is left
    /// out.
    ///
    /// # Errors
    /// As [`Self::link_new`].
    pub async fn link_known(
        &self,
        transaction: &impl ConnectionTrait,
        pairs: &[(DeletionId, DeletionId)],
    ) -> Result<(), db::Error> {
        let pairs: Vec<_> = pairs.iter().filter(|(parent, child)| parent != child).copied().collect();
        if self.dialect.has_row_locks() && !pairs.is_empty() {
            let ids: Vec<_> = pairs.iter().flat_map(|(parent, child)| [parent, child]).collect();
            self.sql.link.lock.bind([("deletions", json!(ids).to_string().into())]).all(transaction).await?;
        }
        for pair in pairs {
            self.link(transaction, &self.sql.link.known, &[pair]).await?;
        }
        Ok(())
    }

    async fn link(
        &self,
        transaction: &impl ConnectionTrait,
        sql: &Sql,
        pairs: &[(DeletionId, DeletionId)],
    ) -> Result<(), db::Error> {
        let pairs: Value = pairs.iter().map(|(parent, child)| json!({ "parent": parent, "child": child })).collect();
        sql.bind([("pairs", pairs.to_string().into())]).execute(transaction).await.map(drop)
    }

    /// Puts those of the deletions that are pending and wait for others in the state that says so. Returns them.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
    pub async fn mark_waiting(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
    ) -> Result<HashSet<DeletionId>, db::Error> {
        let query = self.sql.link.mark_waiting.bind([("deletions", json!(deletions).to_string().into())]);
        query.all(transaction).await?.iter().map(|row: &Row| row.parse("id")).collect()
    }

    /// `$1` is an array of the ids of deletions that are about to be linked (PostgreSQL).
    pub(crate) fn lock_links_statement(&self) -> &str {
        self.sql.link.lock.text()
    }

    /// `$1` is an array of `{parent, child}`, each child recorded just now.
    pub(crate) fn link_new_statement(&self) -> &str {
        self.sql.link.new.text()
    }

    /// `$1` is an array of one `{parent, child}`: a second pair would not be checked against the first.
    pub(crate) fn link_known_statement(&self) -> &str {
        self.sql.link.known.text()
    }

    /// `$1` is an array of ids.
    pub(crate) fn mark_waiting_statement(&self) -> &str {
        self.sql.link.mark_waiting.text()
    }
}
