//! Failed attempts whose deletion is gone: those of months that were dropped whole.

use sea_orm::{ConnectionTrait, Value};

use super::{BATCH, PrunePlace, Run};
use crate::{
    db::{self, kill_point},
    ledger::FinishedAt,
};

impl Run<'_> {
    /// One batch. Returns how many attempts were looked at, and whether those were the last.
    pub(super) async fn attempts(&self, place: &mut PrunePlace) -> Result<(u64, bool), db::Error> {
        let (d, ledger) = (self.store.ledger.dialect, &self.store.ledger);
        let time = |n: usize| d.param(n, "text::timestamptz");
        let mut values: Vec<Value> = vec![self.cutoff.as_str().into()];
        let mut beyond = String::new();
        if let Some(FinishedAt { at, id }) = &place.after {
            values.extend([at.as_str().into(), id.as_str().into()]);
            beyond = format!("and (a.at, a.deletion_id) > ({}, {})", time(2), d.param(3, "text::uuid"));
        }
        let sql = format!(
            "select {} as id, {} as at,
                (select 1 from {} o where o.id = a.deletion_id limit 1) is null
                and (select 1 from {} n where n.id = a.deletion_id limit 1) is null as gone
             from {} a where a.at < {} {beyond} order by a.at, a.deletion_id limit {BATCH}",
            d.cast("a.deletion_id", "text"),
            d.cast("a.at", "text"),
            ledger.deletion,
            ledger.done,
            ledger.attempt,
            time(1),
        );
        let rows = self.store.db.read_only(sql, values).await?;
        let mut gone: Vec<String> = Vec::new();
        for row in &rows {
            let id: String = row.try_get("", "id")?;
            place.after = Some(FinishedAt { at: row.try_get("", "at")?, id: id.clone() });
            if row.try_get("", "gone")? {
                gone.push(id);
            }
        }
        if self.dry {
            place.done.attempts += gone.len() as u64;
        } else if !gone.is_empty() {
            let sql = format!("delete from {} where deletion_id {}", ledger.attempt, d.any_of(1, "uuid"));
            let statement = d.statement(sql, [serde_json::Value::from(gone).to_string().into()]);
            place.done.attempts += self.store.db.conn.execute_raw(statement).await?.rows_affected();
            kill_point("prune::attempts");
        }
        Ok((rows.len() as u64, rows.len() < BATCH))
    }
}
