//! Claiming: pending → running, fence + 1, attempts + 1, under a lease.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use crate::{
    db::{self, Db, Dialect, Row, Sql, Words, kill_point, millis},
    ids::{DeletionId, Fence, Lane},
    ledger::{Confirmations, Ledger, Phase},
    template::Values,
};

/// A deletion that this process may work on until its lease ends.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the column of the same name")]
pub struct Claim {
    pub id: DeletionId,
    pub resource: String,
    pub key: String,
    pub phase: Phase,
    pub fence: Fence,
    pub attempts: u32,
    pub rescues: u32,
    /// None if it was recorded when the row was gone, so that it carried no marker of ours.
    pub marker_rule: Option<usize>,
    pub targets: Vec<String>,
    pub confirmations: Confirmations,
    pub payload: Values,
    /// The size of the payloads as text, in bytes.
    pub payload_bytes: usize,
    /// Payloads of rows that had the key before and whose twins are still to be deleted.
    pub former: Vec<Values>,
    /// The targets whose "gone" is no surprise.
    pub gone_expected: BTreeSet<String>,
    /// Who requested it.
    pub requested_by: String,
    /// Whether no external call was ever made before this claim.
    pub uncalled: bool,
    /// Time since the first attempt when it was claimed, pauses left out, by the database's clock.
    pub age: Duration,
    /// How long the DELETE of its row may take; none unless an earlier one took longer than the common limit.
    pub delete_limit: Option<Duration>,
    /// When it was claimed by the database's clock, in milliseconds of the Unix epoch.
    pub claimed_at_ms: i64,
}

/// Which deletions may be claimed.
#[derive(Debug, Clone, Copy)]
pub enum Candidates<'a> {
    /// These, as far as they are due. A held one may be claimed earlier: the process that can end its doubt names it.
    Hinted(&'a [DeletionId]),
    /// The oldest that have been due for at least this long. Lanes with such deletions take equal shares of `limit`.
    Due {
        /// At most this many in all.
        limit: usize,
        /// Due for at least this long.
        overdue: Duration,
    },
}

/// What to claim, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct ClaimRequest<'a> {
    /// The deletions to choose from.
    pub candidates: Candidates<'a>,
    /// Only deletions in these lanes; a paused or unknown lane is not among them.
    pub lanes: &'a [Lane],
    /// The process that claims.
    pub worker: &'a str,
    /// How long the claim lasts without being renewed.
    pub lease: Duration,
    /// The payloads of what is claimed may have this size in all, as text in bytes. One is claimed whatever its size.
    pub payload_bytes: usize,
    /// Whether one deletion that was rescued before may be among them. At most one such deletion should be in flight in
    /// a process, so that one that kills its worker does not drag its neighbours along.
    pub with_rescued: bool,
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    /// Claims on PostgreSQL, and chooses on SQLite.
    hinted: Sql,
    due: Sql,
    /// SQLite only.
    take: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let paused_ms = words.pick(PAUSED_MS_POSTGRES, PAUSED_MS_SQLITE);
        let words = words.clone().with([("paused_ms", words.expand(paused_ms))]);
        let words = words.clone().with([
            ("oldest_allowed", words.expand(OLDEST_ALLOWED)),
            ("one_rescued_at_most", words.expand(ONE_RESCUED_AT_MOST)),
            ("fits_in_memory", words.expand(FITS_IN_MEMORY)),
            ("payload_bytes", words.expand(PAYLOAD_BYTES)),
            ("claimed", words.expand(CLAIMED)),
            ("claim_columns", words.expand(CLAIM_COLUMNS)),
        ]);
        let hinted = words.pick(include_str!("claim.hinted.postgres.sql"), include_str!("claim.hinted.sqlite.sql"));
        let due = words.pick(include_str!("claim.due.postgres.sql"), include_str!("claim.due.sqlite.sql"));
        let take = "-- claim a deletion
            update {deletion} as d set {claimed} where d.id = @id returning {claim_columns}, @uncalled as uncalled";
        Self { hinted: words.render(hinted), due: words.render(due), take: words.render(take) }
    }
}

/// When the first pending deletion of `lane.value` is due that may be claimed.
const OLDEST_ALLOWED: &str = "(
    select d.run_at from {deletion} d
    where d.state in ({from:Claimed}) and d.lane = lane.value and (d.rescues = 0 or @with_rescued = 1)
    order by d.run_at, d.id limit 1)";

/// Of the query `due` all that were never rescued, and one that was if that is allowed.
const ONE_RESCUED_AT_MOST: &str = "(
    select id, uncalled from due where rescues = 0
    union all
    select id, uncalled from (
        select id, uncalled from due where rescues > 0 and @with_rescued = 1 order by id limit 1) one)";

/// The size of the payloads of `d`.
const PAYLOAD_BYTES: &str = "octet_length(d.payload::text) + octet_length(d.former::text)";

/// Those of the query `due` before which less than `@payload_bytes` are claimed (PostgreSQL). The lanes take turns, so that
/// one with large payloads leaves room for the others.
const FITS_IN_MEMORY: &str = "(
    select one.id from (
        select turn.id, sum(turn.bytes) over (order by turn.number, turn.id) - turn.bytes as before
        from (select id, bytes, row_number() over (partition by lane order by id) as number from due) turn
    ) one where one.before < @payload_bytes)";

/// What a claim changes.
const CLAIMED: &str = "
    state = {to:Claimed}, fence = d.fence + 1, attempts = d.attempts + 1,
    worker = @worker, lease_until = {in_ms:@lease_ms},
    first_attempt_at = coalesce(d.first_attempt_at, {now}),
    called_at = case when d.phase = {phase:Confirm} then coalesce(d.called_at, {now}) else d.called_at end";

/// The columns that [`claim`] reads, without `uncalled`. They have no alias: SQLite's `returning` knows none.
const CLAIM_COLUMNS: &str = "
    {text:id} as id, resource, key, phase, fence, attempts, rescues, requested_by,
    marker_rule, marker_column is not null as marked,
    {text:targets} as targets, {text:confirmations} as confirmations, {text:payload} as payload, {text:former} as former,
    {text:gone_expected} as gone_expected, delete_limit_ms,
    ({ms_since:first_attempt_at} - {paused_ms}) as age_ms,
    {ms_since:{timestamptz:'1970-01-01T00:00:00.000Z'}} as claimed_at_ms";

/// For how many milliseconds since `first_attempt_at` pauses held back the deletion.
const PAUSED_MS_POSTGRES: &str = "coalesce((
    select sum((
        extract(epoch from coalesce(c.resumed_at, {now}))
        - extract(epoch from greatest(c.paused_at, first_attempt_at))
    ) * 1000)
    from {control} c
    where (c.scope = resource or substr(c.scope, 1, length(resource) + 1) = resource || '.')
        and coalesce(c.resumed_at, {now}) > first_attempt_at), 0)::bigint";

const PAUSED_MS_SQLITE: &str = "cast(round(coalesce((
    select sum((
        julianday(coalesce(c.resumed_at, {now})) * 86400
        - julianday(max(c.paused_at, first_attempt_at)) * 86400
    ) * 1000)
    from {control} c
    where (c.scope = resource or substr(c.scope, 1, length(resource) + 1) = resource || '.')
        and coalesce(c.resumed_at, {now}) > first_attempt_at), 0)) as integer)";

impl Ledger {
    /// Claims deletions in one statement (PostgreSQL) and one commit. Candidates that are not due, not pending, in
    /// another lane or locked are passed over: their hints were stale.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing is claimed then.
    pub async fn claim(&self, db: &Db, request: ClaimRequest<'_>) -> Result<Vec<Claim>, db::Error> {
        let ClaimRequest { candidates, lanes, worker, lease, payload_bytes, with_rescued } = request;
        let mut values = vec![
            ("lanes", json!(lanes).to_string().into()),
            ("with_rescued", i32::from(with_rescued).into()),
            ("worker", worker.into()),
            ("lease_ms", millis(lease).into()),
            ("payload_bytes", i64::try_from(payload_bytes).unwrap_or(i64::MAX).into()),
        ];
        let sql = match candidates {
            Candidates::Hinted(ids) => {
                values.push(("ids", json!(ids).to_string().into()));
                &self.sql.claim.hinted
            }
            Candidates::Due { limit, overdue } => {
                values.push(("limit", i64::try_from(limit).unwrap_or(i64::MAX).into()));
                values.push(("overdue_ms", millis(overdue).into()));
                &self.sql.claim.due
            }
        };
        let query = sql.bind_all(values);
        match self.dialect {
            Dialect::Postgres => {
                kill_point("claim::before");
                let rows = query.all(&db.conn).await?;
                kill_point("claim::committed");
                // One after the other is freed, once it is parsed.
                rows.into_iter().map(|row| claim(&row)).collect()
            }
            Dialect::Sqlite => {
                // RETURNING gives new values only, so what was null before is read first, under the write lock.
                let transaction = db.begin().await?;
                let mut claims: Vec<Claim> = Vec::new();
                for row in query.all(&transaction).await? {
                    let claimed_bytes: usize = claims.iter().map(|claim| claim.payload_bytes).sum();
                    if !claims.is_empty() && claimed_bytes >= payload_bytes {
                        break;
                    }
                    let values = [
                        ("id", row.get::<String>("id")?.into()),
                        ("uncalled", row.get::<bool>("uncalled")?.into()),
                        ("worker", worker.into()),
                        ("lease_ms", millis(lease).into()),
                    ];
                    let taken = self.sql.claim.take.bind(values).one(&transaction).await?;
                    claims.extend(taken.iter().map(claim).collect::<Result<Vec<_>, _>>()?);
                }
                kill_point("claim::before");
                transaction.commit().await?;
                kill_point("claim::committed");
                Ok(claims)
            }
        }
    }
}

fn claim(row: &Row) -> Result<Claim, db::Error> {
    let marked: bool = row.get("marked")?;
    let (payload, former): (String, String) = (row.get("payload")?, row.get("former")?);
    Ok(Claim {
        id: row.parse("id")?,
        resource: row.get("resource")?,
        key: row.get("key")?,
        phase: row.parse("phase")?,
        fence: Fence(row.get("fence")?),
        attempts: row.count("attempts")?,
        rescues: row.count("rescues")?,
        marker_rule: if marked { Some(row.count("marker_rule")?) } else { None },
        targets: row.json("targets")?,
        confirmations: row.json("confirmations")?,
        payload: serde_json::from_str(&payload).map_err(|why| row.unreadable("payload", &why))?,
        payload_bytes: payload.len() + former.len(),
        former: serde_json::from_str(&former).map_err(|why| row.unreadable("former", &why))?,
        gone_expected: row.json("gone_expected")?,
        requested_by: row.get("requested_by")?,
        uncalled: row.get("uncalled")?,
        age: Duration::from_millis(row.count("age_ms")?),
        delete_limit: row
            .get::<Option<i64>>("delete_limit_ms")?
            .and_then(|ms| u64::try_from(ms).ok())
            .map(Duration::from_millis),
        claimed_at_ms: row.get("claimed_at_ms")?,
    })
}
