//! The dead-letter queue: what on-call lists, retries and discards.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde::Serialize;
use serde_json::json;

use crate::{
    db::{self, Db, Named, Query, Row, Sql, Words, kill_point, millis},
    ids::{DeletionId, ResourceName},
    ledger::{Action, Ledger, Operator},
    outcome::DeadKind,
    state::Cancellation,
};

/// Which dead letters are meant. Everything that is given must match.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this resource.
    pub resource: Option<ResourceName>,
    /// Whose last failed attempt was at this target.
    pub target: Option<String>,
    /// Dead for this reason.
    pub kind: Option<DeadKind>,
    /// Dead for longer than this.
    pub older_than: Option<Duration>,
    /// Among these; empty: among all.
    pub ids: Vec<DeletionId>,
    /// At most this many, the oldest.
    pub limit: Option<u64>,
}

/// A dead letter as `dlq list` shows it; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "each field is the column of the same name")]
pub struct DeadLetter {
    pub id: DeletionId,
    pub resource: String,
    pub key: String,
    pub kind: String,
    pub dead_at: String,
    pub attempts: i32,
    pub target: Option<String>,
    pub error: Option<String>,
    pub requested_at: String,
    pub requested_by: String,
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    retry: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        Self { retry: words.render(include_str!("dead_letters.retry.sql")) }
    }
}

const LIST: &str = include_str!("dead_letters.list.sql");
const IS_DEAD: &str = "d.state = {dead}";
const OF_RESOURCE: &str = "d.resource = @resource";
const AT_TARGET: &str = "{last_target} = @target";
const OF_KIND: &str = "d.dead_kind = @kind";
const DEAD_FOR_LONGER: &str = "d.dead_at < {in_ms:-@older_than_ms}";
const AMONG: &str = "d.id in (select {uuid:value} from {texts:@ids} wanted)";
const LAST_TARGET: &str =
    "(select a.target from {attempt} a where a.deletion_id = d.id order by a.fence desc, a.at desc limit 1)";

impl Filter {
    fn query(&self, words: &Words) -> Query {
        let mut conditions = vec![IS_DEAD];
        let mut values: Vec<Named> = Vec::new();
        let mut add = |condition, value: Named| {
            conditions.push(condition);
            values.push(value);
        };
        if let Some(resource) = &self.resource {
            add(OF_RESOURCE, ("resource", resource.as_str().into()));
        }
        if let Some(target) = &self.target {
            add(AT_TARGET, ("target", target.as_str().into()));
        }
        if let Some(kind) = self.kind {
            add(OF_KIND, ("kind", kind.as_str().into()));
        }
        if let Some(age) = self.older_than {
            add(DEAD_FOR_LONGER, ("older_than_ms", millis(age).into()));
        }
        if !self.ids.is_empty() {
            add(AMONG, ("ids", json!(self.ids).to_string().into()));
        }
        let at_most = self.limit.map(|limit| format!("limit {limit}")).unwrap_or_default();
        let words = words.clone().with([("last_target", words.expand(LAST_TARGET))]);
        let conditions: Vec<_> = conditions.into_iter().map(|condition| words.expand(condition)).collect();
        let words = words.with([("conditions", conditions.join(" and ")), ("at_most", at_most)]);
        words.render(LIST).bind_all(values)
    }
}

impl Ledger {
    /// The dead letters that `filter` means, oldest first.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn dead_letters(
        &self,
        conn: &impl ConnectionTrait,
        filter: &Filter,
    ) -> Result<Vec<DeadLetter>, db::Error> {
        filter.query(&self.words).all(conn).await?.iter().map(dead_letter).collect()
    }

    /// Retries dead deletions: due now, attempts and rescues zero, history and confirmations kept. A parent that is
    /// dead because of a child is retried with that child, and the child with the parent. Returns those that were dead.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn retry_dead(
        &self,
        db: &Db,
        deletions: &[DeletionId],
        operator: &Operator<'_>,
    ) -> Result<Vec<DeletionId>, db::Error> {
        let transaction = db.begin().await?;
        let retried = self.retry(&transaction, deletions).await?;
        self.record_action(&transaction, Action::Retry, operator, &retried).await?;
        kill_point("retry::before");
        transaction.commit().await?;
        kill_point("retry::committed");
        Ok(retried)
    }

    /// The same within the caller's transaction, without a record of who did it.
    pub(super) async fn retry(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
    ) -> Result<Vec<DeletionId>, db::Error> {
        let query = self.sql.dead_letters.retry.bind([("deletions", json!(deletions).to_string().into())]);
        let rows = query.all(transaction).await?;
        let mut retried = rows.iter().map(|row| row.parse("id")).collect::<Result<Vec<DeletionId>, _>>()?;
        retried.sort();
        Ok(retried)
    }

    /// Gives dead deletions up: their rows stay marked and are never adopted. Returns those that were dead.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn discard_dead(
        &self,
        db: &Db,
        deletions: &[DeletionId],
        operator: &Operator<'_>,
    ) -> Result<Vec<DeletionId>, db::Error> {
        let transaction = db.begin().await?;
        let mut discarded: Vec<_> =
            self.cancel(&transaction, deletions, Cancellation::Discarded).await?.into_iter().collect();
        discarded.sort();
        // Its children stay marked as well.
        self.forget_waits(&transaction, &discarded).await?;
        self.record_action(&transaction, Action::Discard, operator, &discarded).await?;
        kill_point("discard::before");
        transaction.commit().await?;
        kill_point("discard::committed");
        Ok(discarded)
    }
}

fn dead_letter(row: &Row) -> Result<DeadLetter, db::Error> {
    Ok(DeadLetter {
        id: row.parse("id")?,
        resource: row.get("resource")?,
        key: row.get("key")?,
        kind: row.get("kind")?,
        dead_at: row.get("dead_at")?,
        attempts: row.get("attempts")?,
        target: row.get("target")?,
        error: row.get("error")?,
        requested_at: row.get("requested_at")?,
        requested_by: row.get("requested_by")?,
    })
}
