//! Looking at rows in key order: which of them is referenced, and since when others are not.

use std::time::Duration;

use super::TablePass;
use crate::{
    catalog::Cursor,
    db::{self, NextPage, Row, literal, millis},
    key::Key,
};

/// What is to be done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is referenced by now: clear the time since when it was not.
    Clear,
    /// Nothing references it: write down that it is so from now on.
    Deprecate,
    /// As [`Self::Deprecate`], for a row whose time does not count: it is before the covered time, or the row was
    /// restored since.
    Restart,
    /// It has been unreferenced long enough: delete it.
    Delete,
}

/// A row with which something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowObservation {
    /// Its key.
    pub key: Key,
    /// What is to be done.
    pub step: Step,
    /// Since when it has been unreferenced, RFC 3339, if that was written down.
    pub since: Option<String>,
}

/// What was seen of a page of rows.
#[derive(Debug, Clone)]
pub struct Page {
    /// Rows that were read.
    pub rows_read: usize,
    /// Those of them that nothing references.
    pub unreferenced: usize,
    /// Those of these that can no longer be chosen.
    pub hidden: usize,
    /// Those with which something is to be done.
    pub observations: Vec<RowObservation>,
    /// Where the next page begins; none at the end of the table.
    pub next: Option<Cursor>,
}

impl TablePass<'_> {
    /// Looks at the next rows in key order.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses, also when the table has been locked for 100 ms.
    pub async fn look(&self, page: NextPage<'_, Cursor>) -> Result<Page, db::Error> {
        let (db, unreferenced, table) = (&self.store.db, self.unreferenced, self.table);
        let (since, written) = (unreferenced.since.instant("t"), unreferenced.since.of("t"));
        let is_live = table.map_or_else(|| "true".to_owned(), |table| format!("({} is true)", table.live("t")));
        let columns = [
            (is_live, "is_live"),
            (unreferenced.referenced(), "is_referenced"),
            (format!("({written} is not null)"), "is_written"),
            (db.dialect.instant_text(&since), "since"),
            (self.is_uncovered(), "is_uncovered"),
            (self.is_since(unreferenced.settings.hide_after), "is_hidden"),
            (self.is_since(unreferenced.settings.delete_after), "is_old"),
        ];
        let page = unreferenced.paging().next_rows(db, &columns, page).await?;
        let mut found =
            Page { rows_read: page.rows.len(), unreferenced: 0, hidden: 0, observations: Vec::new(), next: page.next };
        for (key, row) in page.rows {
            let is = |what: &str| row.get::<bool>(what);
            if !is("is_live")? {
                continue;
            }
            let is_referenced = is("is_referenced")?;
            found.unreferenced += usize::from(!is_referenced);
            found.hidden += usize::from(!is_referenced && is("is_hidden")?);
            let step = if is_referenced { step_of_referenced(&row)? } else { step_of_unreferenced(&row)? };
            let Some(step) = step else { continue };
            // On SQLite a column may hold what is no value of its type.
            let Some(key) = key else {
                tracing::warn!(
                    resource = %unreferenced.name,
                    "an unreferenced row has no key by which it could be named"
                );
                continue;
            };
            found.observations.push(RowObservation { key, step, since: row.get("since")? });
        }
        Ok(found)
    }

    /// Whether the time that the row `t` has does not count: it lies before the time that is covered, or the row was
    /// restored since then.
    pub(super) fn is_uncovered(&self) -> String {
        let dialect = self.store.db.dialect;
        let words = self.store.ledger.words.clone().with([
            ("since", self.unreferenced.since.instant("t")),
            ("covered_from", dialect.instant(&literal(self.covered_from))),
        ]);
        let is_before = "coalesce({since} < {covered_from}, true)";
        let Some(table) = self.table else { return words.expand(&format!("({is_before})")) };
        let name = literal(table.name.as_str());
        let words = words.with([
            ("kept_as", self.store.ledger.is_kept_as("f", &name, &table.key_text("t"))),
            ("resource_name", name),
        ]);
        let was_restored = "exists (
            select 1 from {done} f
            where f.resource = {resource_name} and {kept_as} and f.cancelled_by = {cancellation:Restored}
                and {instant:f.finished_at} >= {since})";
        words.expand(&format!("({is_before} or {was_restored})"))
    }

    /// Whether the row `t` has been unreferenced for as long as `time`.
    pub(super) fn is_since(&self, time: Duration) -> String {
        let ago = self.store.db.dialect.instant_ago(millis(time));
        format!("coalesce({} <= {ago}, false)", self.unreferenced.since.instant("t"))
    }
}

fn step_of_referenced(row: &Row) -> Result<Option<Step>, db::Error> {
    Ok(row.get::<bool>("is_written")?.then_some(Step::Clear))
}

fn step_of_unreferenced(row: &Row) -> Result<Option<Step>, db::Error> {
    let is = |what: &str| row.get::<bool>(what);
    Ok(match is("is_written")? {
        false => Some(Step::Deprecate),
        true if is("is_uncovered")? => Some(Step::Restart),
        true => is("is_old")?.then_some(Step::Delete),
    })
}
