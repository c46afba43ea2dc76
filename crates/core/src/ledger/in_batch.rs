//! Which rows were in a batch before, for a batch that is resumed.

use super::Ledger;
use crate::{
    catalog::{Table, literal},
    ids::BatchId,
};

impl Ledger {
    /// SQL for whether the row that a query knows as `alias` had a deletion in the batch that is finished: completed,
    /// restored, or superseded. Served by the index on the key.
    #[must_use]
    pub fn finished_in_batch(&self, table: &Table, alias: &str, batch: BatchId) -> String {
        let d = self.dialect;
        format!(
            "exists (select 1 from {} finished where finished.resource = {} and finished.key = {}
                and finished.batch_id = {})",
            self.done,
            literal(table.name.as_str()),
            table.key_text(alias),
            d.cast(&literal(&batch.to_string()), "uuid"),
        )
    }
}
