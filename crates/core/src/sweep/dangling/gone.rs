//! Completed deletions whose rows are gone, and taking them up again for children that are still there.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, QueryResult, Value};

use crate::{
    db::{self, Db},
    ids::{DeletionId, ResourceName},
    ledger::{FinishedAt, Ledger, Phase},
    state::State,
    template::Values,
};

/// A completed deletion whose row is gone and whose key is known.
#[derive(Debug, Clone)]
pub struct Gone {
    /// When it finished, and its id.
    pub finished: FinishedAt,
    /// The resource's name.
    pub resource: String,
    /// The row's key.
    pub key: String,
    /// What it kept of the row.
    pub refs: Values,
}

impl Ledger {
    /// The next of those that finished since `since` (as the database writes times), at most `limit`.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn gone_since(
        &self,
        db: &Db,
        resources: &[&ResourceName],
        since: &str,
        after: Option<&FinishedAt>,
        limit: usize,
    ) -> Result<Vec<Gone>, db::Error> {
        let d = self.dialect;
        let time = |n: usize| d.param(n, "text::timestamptz");
        let names: Vec<&str> = resources.iter().map(|name| name.as_str()).collect();
        let mut values: Vec<Value> = vec![since.into(), serde_json::Value::from(names).to_string().into()];
        let mut beyond = String::new();
        if let Some(FinishedAt { at, id }) = after {
            values.extend([at.as_str().into(), id.as_str().into()]);
            beyond = format!("and (d.finished_at, d.id) > ({}, {})", time(3), d.param(4, "text::uuid"));
        }
        let sql = format!(
            "{} where d.finished_at >= {} and d.resource {} and {} {beyond} order by d.finished_at, d.id limit {limit}",
            self.select_gone(""),
            time(1),
            d.any_of(2, "text"),
            gone(),
        );
        db.read_giving_way(sql, values).await?.iter().map(read).collect()
    }

    /// Those of the rows of a resource with these keys; and whether they finished since `since`.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn gone_among(
        &self,
        db: &Db,
        resource: &ResourceName,
        keys: &[String],
        since: &str,
    ) -> Result<Vec<(Gone, bool)>, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "{} where d.resource = $1 and d.key {} and {}",
            self.select_gone(&format!(", d.finished_at >= {} as recent", d.param(3, "text::timestamptz"))),
            d.any_of(2, "text"),
            gone()
        );
        let keys = serde_json::Value::from(keys.to_vec()).to_string();
        let rows = db.read_giving_way(sql, vec![resource.as_str().into(), keys.into(), since.into()]).await?;
        rows.iter().map(|row| Ok((read(row)?, row.try_get("", "recent")?))).collect()
    }

    /// Those of the keys whose rows have an open or dead deletion.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn open_among(
        &self,
        db: &Db,
        resource: &ResourceName,
        keys: &[String],
    ) -> Result<HashSet<String>, db::Error> {
        let sql =
            format!("select key from {} where resource = $1 and key {}", self.deletion, self.dialect.any_of(2, "text"));
        let keys = serde_json::Value::from(keys.to_vec()).to_string();
        let rows = db.read_giving_way(sql, vec![resource.as_str().into(), keys.into()]).await?;
        rows.iter().map(|row| row.try_get("", "key").map_err(db::Error::from)).collect()
    }

    fn select_gone(&self, more: &str) -> String {
        let d = self.dialect;
        format!(
            "select {} as id, {} as at, d.resource, d.key, coalesce({}, '{{}}') as refs{more} from {} d",
            d.cast("d.id", "text"),
            d.cast("d.finished_at", "text"),
            d.cast("d.refs", "text"),
            self.done,
        )
    }

    /// Takes a completed deletion up again, in the phase in which nothing is called any more: its worker deals with the
    /// children that it finds. `values` are the columns by which they name the row, `rule` a way of marking after which
    /// rows are deleted. Returns the new deletion, or none if the row has an open or dead one by now.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn take_up_again(
        &self,
        conn: &impl ConnectionTrait,
        gone: &Gone,
        values: &Values,
        rule: usize,
        by: &str,
        reason: &str,
    ) -> Result<Option<DeletionId>, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "insert into {} as d (id, resource, key, lane, state, phase, run_at, batch_id, marker_rule, marker_column, marker_value,
                targets, confirmations, payload, requested_by, reason, called_at)
             select {id}, f.resource, f.key, f.resource, '{pending}', '{remove}', {now}, f.batch_id, {rule}, f.marker_column,
                f.marker_value, f.targets, f.confirmations, {payload}, $3, $4, {now}
             from {done} f where f.id = {done_id} and f.finished_at = {finished_at}
             on conflict (resource, key) do nothing returning 1",
            self.deletion,
            id = d.param(1, "uuid"),
            pending = State::Pending,
            remove = Phase::Remove.as_str(),
            now = d.now(),
            payload = d.param(2, "jsonb"),
            done = self.done,
            done_id = d.param(5, "text::uuid"),
            finished_at = d.param(6, "text::timestamptz"),
        );
        let id = DeletionId::new();
        let values = serde_json::to_string(values).map_err(|error| db::Error::unreadable(error.to_string()))?;
        let FinishedAt { at, id: done } = &gone.finished;
        let values: [Value; 6] =
            [id.to_string().into(), values.into(), by.into(), reason.into(), done.as_str().into(), at.as_str().into()];
        Ok(conn.query_one_raw(d.statement(sql, values)).await?.map(|_| id))
    }
}

/// Whether the deletion `d` was completed, its row is gone, and which it was is known.
fn gone() -> String {
    format!("d.state = '{}' and d.row_outcome <> 'kept' and d.key is not null", State::Completed)
}

fn read(row: &QueryResult) -> Result<Gone, db::Error> {
    let refs: String = row.try_get("", "refs")?;
    Ok(Gone {
        finished: FinishedAt { at: row.try_get("", "at")?, id: row.try_get("", "id")? },
        resource: row.try_get("", "resource")?,
        key: row.try_get("", "key")?,
        refs: serde_json::from_str(&refs).map_err(|error| db::Error::unreadable(error.to_string()))?,
    })
}
