//! Columns that were kept for later checks, once it is too late for those.

use crate::db;
use sea_orm::{ConnectionTrait, Value};

use super::{BATCH, PrunePlace, Run};

impl Run<'_> {
    /// One batch. Returns how many entries were scrubbed, and whether those were the last.
    pub(super) async fn refs(&self, place: &mut PrunePlace) -> Result<(u64, bool), db::Error> {
        let (d, done) = (self.store.ledger.dialect, &self.store.ledger.done);
        let time = |n: usize| d.param(n, "text::timestamptz");
        let due = format!("refs is not null and finished_at < {}", time(1));
        let cutoff: Value = self.refs_cutoff.as_str().into();
        if self.dry {
            let rows =
                self.store.db.read_only(format!("select count(*) as n from {done} where {due}"), vec![cutoff]).await?;
            let n: i64 = rows.first().map_or(Ok(0), |row| row.try_get("", "n"))?;
            place.done.refs += u64::try_from(n).unwrap_or_default();
            return Ok((0, true));
        }
        let sql = format!(
            "select {} as id, {} as at from {done} d where {due} order by d.finished_at, d.id limit {BATCH}",
            d.cast("d.id", "text"),
            d.cast("d.finished_at", "text"),
        );
        let rows = self.store.db.read_only(sql, vec![cutoff]).await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok((0, true)) };
        let (from, to): (String, String) = (first.try_get("", "at")?, last.try_get("", "at")?);
        let ids = rows.iter().map(|row| row.try_get::<String>("", "id")).collect::<Result<Vec<_>, _>>()?;
        let sql = format!(
            "update {done} set refs = null where id {} and finished_at >= {} and finished_at <= {}",
            d.any_of(1, "uuid"),
            time(2),
            time(3)
        );
        let values = [serde_json::Value::from(ids).to_string().into(), from.into(), to.into()];
        place.done.refs += self.store.db.conn.execute_raw(d.statement(sql, values)).await?.rows_affected();
        Ok((rows.len() as u64, rows.len() < BATCH))
    }
}
