//! Looking at rows in key order: which of them is referenced, and since when others are not.

use std::time::Duration;

use sea_orm::QueryResult;

use super::Pass;
use crate::{
    catalog::Cursor,
    db::{self, literal, millis},
    key::Key,
};

/// What is to be done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is referenced again: the time since when it was not is taken away.
    Clear,
    /// Nothing references it: that it is so from now on is written down.
    Deprecate,
    /// The same for a row of which it was written down before the time that is covered, in which anything may have been, or
    /// that was restored since then.
    Restart,
    /// Its time has come.
    Delete,
}

/// A row with which something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its key.
    pub key: Key,
    /// What.
    pub step: Step,
    /// Since when it has been unreferenced, RFC 3339, if that was written down.
    pub since: Option<String>,
}

/// What a page of rows came to.
#[derive(Debug, Clone)]
pub struct Page {
    /// Rows that were looked at.
    pub looked: usize,
    /// Those of them that nothing references.
    pub unreferenced: usize,
    /// Those of these that can no longer be chosen.
    pub hidden: usize,
    /// Those with which something is to be done.
    pub seen: Vec<Seen>,
    /// Where to go on; none at the end of the table.
    pub next: Option<Cursor>,
}

impl Pass<'_> {
    /// Looks at the next `limit` rows in key order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn look(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, db::Error> {
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
        let page = unreferenced.paging().next_rows(db, &columns, after, limit).await?;
        let mut found = Page { looked: page.rows.len(), unreferenced: 0, hidden: 0, seen: Vec::new(), next: page.next };
        for (key, row) in page.rows {
            let is = |what: &str| row.try_get::<bool>("", what);
            if !is("is_live")? {
                continue;
            }
            let is_referenced = is("is_referenced")?;
            found.unreferenced += usize::from(!is_referenced);
            found.hidden += usize::from(!is_referenced && is("is_hidden")?);
            let Some(step) = step(&row, is_referenced)? else { continue };
            // On SQLite a column may hold what is no value of its type.
            let Some(key) = key else {
                tracing::warn!(resource = %unreferenced.name, "an unreferenced row has no key by which it could be named");
                continue;
            };
            found.seen.push(Seen { key, step, since: row.try_get("", "since")? });
        }
        Ok(found)
    }

    /// Whether it was written down before the time that is covered that the row `t` is unreferenced, or before somebody
    /// restored it.
    pub(super) fn is_uncovered(&self) -> String {
        let since = self.unreferenced.since.instant("t");
        let from = self.store.db.dialect.instant(&literal(self.covered_from));
        let restored = match self.table {
            Some(table) => {
                let (name, key) = (literal(table.name.as_str()), table.key_text("t"));
                let kept_as = self.store.ledger.is_kept_as("f", &name, &key);
                let finished = self.store.db.dialect.instant("f.finished_at");
                format!(
                    " or exists (select 1 from {} f where f.resource = {name} and {kept_as}
                        and f.cancelled_by = 'restored' and {finished} >= {since})",
                    self.store.ledger.done
                )
            }
            None => String::new(),
        };
        format!("(coalesce({since} < {from}, true){restored})")
    }

    /// Whether that was so long ago.
    pub(super) fn is_since(&self, time: Duration) -> String {
        let ago = self.store.db.dialect.instant_ago(millis(time));
        format!("coalesce({} <= {ago}, false)", self.unreferenced.since.instant("t"))
    }
}

fn step(row: &QueryResult, is_referenced: bool) -> Result<Option<Step>, db::Error> {
    let is = |what: &str| row.try_get::<bool>("", what);
    Ok(match (is_referenced, is("is_written")?) {
        (true, true) => Some(Step::Clear),
        (true, false) => None,
        (false, false) => Some(Step::Deprecate),
        (false, true) if is("is_uncovered")? => Some(Step::Restart),
        (false, true) => is("is_old")?.then_some(Step::Delete),
    })
}
