//! The dead-letter queue: what on-call lists, retries and discards.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Value};
use serde::Serialize;

use crate::{
    db::{self, Db, kill_point, millis},
    ids::{DeletionId, ResourceName},
    ledger::{Action, Ledger, state_after, states_before},
    outcome::DeadKind,
    state::{Cancellation, Event, State},
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
    /// These ones.
    pub ids: Vec<DeletionId>,
    /// The oldest so many.
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

impl Ledger {
    /// The dead letters that `filter` means, oldest first.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn dead_letters(
        &self,
        conn: &impl ConnectionTrait,
        filter: &Filter,
    ) -> Result<Vec<DeadLetter>, db::Error> {
        let d = self.dialect;
        let (conditions, values) = self.conditions(filter);
        let sql = format!(
            "select {} as id, resource, key, dead_kind as kind, {} as dead_at, attempts, {} as target,
                last_error as error, {} as requested_at, requested_by
             from {} d where {conditions}",
            d.cast("d.id", "text"),
            d.iso("dead_at"),
            self.last_target(),
            d.iso("requested_at"),
            self.deletion,
        );
        let rows = conn.query_all_raw(d.statement(sql, values)).await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get("", "id")?;
                Ok(DeadLetter {
                    id: id.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))?,
                    resource: row.try_get("", "resource")?,
                    key: row.try_get("", "key")?,
                    kind: row.try_get("", "kind")?,
                    dead_at: row.try_get("", "dead_at")?,
                    attempts: row.try_get("", "attempts")?,
                    target: row.try_get("", "target")?,
                    error: row.try_get("", "error")?,
                    requested_at: row.try_get("", "requested_at")?,
                    requested_by: row.try_get("", "requested_by")?,
                })
            })
            .collect()
    }

    /// Gives dead deletions another try: due now, attempts and rescues zeroed, history and confirmations kept. With a
    /// child's deletion those are retried that died of it, and with a deletion that died of its children's also these.
    /// Returns those that were dead; recorded as `action`.
    ///
    /// # Errors
    /// Whatever the database says; nothing changed then.
    pub async fn retry_dead(
        &self,
        db: &Db,
        deletions: &[DeletionId],
        action: &Action<'_>,
    ) -> Result<Vec<DeletionId>, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "with recursive below (id) as (
                select {} from {} wanted
                union
                select w.child_id from {wait} w join below on below.id = w.deletion_id
                    join {table} p on p.id = w.deletion_id and p.dead_kind = '{child_dead}'
             ),
             related (id) as (
                select id from below
                union
                select w.deletion_id from {wait} w join related on related.id = w.child_id
                    join {table} p on p.id = w.deletion_id and p.dead_kind = '{child_dead}'
             )
             update {table} set state = {}, run_at = {}, attempts = 0, rescues = 0, first_attempt_at = null,
                dead_kind = null, dead_at = null
             where id in (select related.id from related) and state in ({}) returning {} as id",
            d.cast("value", "uuid"),
            d.json_texts(1),
            state_after(Event::Retried),
            d.now(),
            states_before(Event::Retried),
            d.cast("id", "text"),
            table = self.deletion,
            wait = self.wait,
            child_dead = DeadKind::ChildDead,
        );
        let ids: Vec<_> = deletions.iter().map(ToString::to_string).collect();
        let transaction = db.begin().await?;
        let statement = d.statement(sql, [serde_json::Value::from(ids).to_string().into()]);
        let rows = transaction.query_all_raw(statement).await?;
        let id = |row: &sea_orm::QueryResult| row.try_get::<String>("", "id")?.parse().map_err(db::Error::unreadable);
        let mut retried: Vec<DeletionId> = rows.iter().map(id).collect::<Result<_, _>>()?;
        retried.sort();
        self.record_action(&transaction, action, &retried).await?;
        kill_point("retry::before");
        transaction.commit().await?;
        kill_point("retry::committed");
        Ok(retried)
    }

    /// Gives dead deletions up: their rows stay marked and are never adopted. Returns those that were dead; recorded as
    /// `action`.
    ///
    /// # Errors
    /// Whatever the database says; nothing changed then.
    pub async fn discard_dead(
        &self,
        db: &Db,
        deletions: &[DeletionId],
        action: &Action<'_>,
    ) -> Result<Vec<DeletionId>, db::Error> {
        let transaction = db.begin().await?;
        let mut discarded: Vec<_> =
            self.cancel(&transaction, deletions, Cancellation::Discarded).await?.into_iter().collect();
        discarded.sort();
        // Its children stay marked as well.
        self.forget_waits(&transaction, &discarded).await?;
        self.record_action(&transaction, action, &discarded).await?;
        kill_point("discard::before");
        transaction.commit().await?;
        kill_point("discard::committed");
        Ok(discarded)
    }

    fn last_target(&self) -> String {
        format!(
            "(select a.target from {} a where a.deletion_id = d.id order by a.fence desc, a.at desc limit 1)",
            self.attempt
        )
    }

    fn conditions(&self, filter: &Filter) -> (String, Vec<Value>) {
        let d = self.dialect;
        let mut conditions = vec![format!("d.state = '{}'", State::Dead)];
        let mut values: Vec<Value> = Vec::new();
        let mut place = |value: Value| {
            values.push(value);
            values.len()
        };
        if let Some(resource) = &filter.resource {
            let n = place(resource.as_str().into());
            conditions.push(format!("d.resource = ${n}"));
        }
        if let Some(target) = &filter.target {
            let n = place(target.as_str().into());
            conditions.push(format!("{} = ${n}", self.last_target()));
        }
        if let Some(kind) = filter.kind {
            let n = place(kind.as_str().into());
            conditions.push(format!("d.dead_kind = ${n}"));
        }
        if let Some(age) = filter.older_than {
            let n = place(millis(age).into());
            conditions.push(format!("d.dead_at < {}", d.in_ms(&format!("-${n}"))));
        }
        if !filter.ids.is_empty() {
            let ids: Vec<_> = filter.ids.iter().map(ToString::to_string).collect();
            let n = place(serde_json::Value::from(ids).to_string().into());
            conditions.push(format!("d.id in (select {} from {} wanted)", d.cast("value", "uuid"), d.json_texts(n)));
        }
        let limit = filter.limit.map(|limit| format!(" limit {limit}")).unwrap_or_default();
        (format!("{} order by d.dead_at, d.id{limit}", conditions.join(" and ")), values)
    }
}
