//! Rescue: deletions whose worker vanished go back, or die if they keep killing their workers.

use sea_orm::ConnectionTrait;

use crate::{
    db::{self, Db, kill_point},
    ids::{DeletionId, Lane},
    ledger::Ledger,
    outcome::DeadKind,
    state::Event,
};

/// A deletion whose lease had expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescued {
    /// The deletion.
    pub id: DeletionId,
    /// Its resource.
    pub resource: String,
    /// Leases in a row that expired, this one included.
    pub rescues: u32,
    /// Why it is dead, if it is.
    pub dead: Option<DeadKind>,
}

impl Ledger {
    /// Takes back at most `limit` deletions whose lease expired, by the database's clock.
    ///
    /// They are due at once, except that one with more than `max_rescues` rescues is dead as `poison`, and one whose
    /// call must not be repeated is dead as `unknown_outcome`.
    ///
    /// # Errors
    /// Whatever the database says; nothing changed then.
    pub async fn rescue(&self, db: &Db, max_rescues: u32, limit: u32) -> Result<Vec<Rescued>, db::Error> {
        let d = self.dialect;
        let poison = "rescues + 1 > $1";
        let dead = format!("(calling is not null or {poison})");
        let id = d.cast("id", "text");
        let sql = format!(
            // In a `with` of its own: a subquery with a limit may be run more than once in a join, and lock more.
            "with expired as materialized (
                select d.id from {table} d where d.state in ({running}) and d.lease_until < {once}
                order by d.lease_until limit $2 {lock}
             )
             update {table} set
                state = case when {dead} then {died} else {rescued} end,
                dead_kind = case when calling is not null then '{unknown}' when {poison} then '{poisoned}' end,
                dead_at = case when {dead} then {now} end,
                last_error_kind = 'lease_expired', last_error = 'the lease of worker ' || worker || ' expired',
                rescues = rescues + 1, run_at = {now}, lease_until = null, worker = null, calling = null
             where id in (select expired.id from expired)
             returning {id} as id, resource, rescues, dead_kind",
            table = self.deletion,
            died = Event::Died.sql_to(),
            rescued = Event::Rescued.sql_to(),
            unknown = DeadKind::UnknownOutcome,
            poisoned = DeadKind::Poison,
            now = d.now(),
            once = d.now_once(),
            running = Event::Rescued.sql_from(),
            lock = d.skip_locked("d"),
        );
        let (most, limit) = (i32::try_from(max_rescues).unwrap_or(i32::MAX), i64::from(limit));
        kill_point("rescue::before");
        let rows = db.conn.query_all_raw(d.statement(sql, [most.into(), limit.into()])).await?;
        kill_point("rescue::committed");
        rows.iter()
            .map(|row| {
                let id: String = row.try_get("", "id")?;
                let dead: Option<String> = row.try_get("", "dead_kind")?;
                Ok(Rescued {
                    id: id.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))?,
                    resource: row.try_get("", "resource")?,
                    rescues: u32::try_from(row.try_get::<i32>("", "rescues")?).unwrap_or_default(),
                    dead: dead.map(|kind| kind.parse().map_err(db::Error::unreadable)).transpose()?,
                })
            })
            .collect()
    }

    /// The deletions of `lanes` that were rescued and are due, the longest due first, at most `limit`: candidates for
    /// [`claim`](Self::claim), which takes one of them.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn rescued(&self, db: &Db, lanes: &[Lane], limit: u32) -> Result<Vec<DeletionId>, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "select {} as id from {} d
             where d.state in ({}) and d.rescues > 0 and d.run_at <= {} and d.lane {}
             order by d.run_at limit {limit}",
            d.cast("d.id", "text"),
            self.deletion,
            Event::Claimed.sql_from(),
            d.now_once(),
            d.any_of(1, "text"),
        );
        let lanes = serde_json::json!(lanes).to_string();
        let rows = db.conn.query_all_raw(d.statement(sql, [lanes.into()])).await?;
        rows.iter()
            .map(|row| {
                row.try_get::<String>("", "id")?.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))
            })
            .collect()
    }

    /// Whether the server is reachable and the ledger readable; what `/readyz` asks.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn ping(&self, db: &Db) -> Result<(), db::Error> {
        let sql = format!("select id from {} limit 0", self.deletion);
        db.conn.query_all_raw(self.dialect.statement(sql, [])).await.map(drop).map_err(Into::into)
    }
}
