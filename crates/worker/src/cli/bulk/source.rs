//! Where the keys of a bulk request come from, a batch at a time.

use std::path::Path;

use sexton_core::{
    catalog::Table,
    db::{self, Db, NextPage},
    key::Key,
    soft_remove::bulk::{Condition, Cursor, count_live, live_page},
};

use super::{args::BulkArgs, lines::Lines};
use crate::cli::error::{Error, Result};

/// What gives the keys.
pub(super) enum RowSource {
    /// Live rows that meet a condition, in key order.
    Condition { condition: Condition, cursor: Option<Cursor>, ended: bool },
    /// Lines of a file.
    Keys(Lines),
}

/// The source that the arguments name, and the number of keys if that can be known before.
pub(super) async fn open(db: &Db, table: &Table, args: &BulkArgs) -> Result<(RowSource, Option<u64>)> {
    if let Some(text) = &args.condition {
        let condition = Condition::new(text).map_err(|error| Error::Usage(format!("--where: {error}")))?;
        // It reads every row once: a condition that fails for a row fails before anything changes.
        let rows = count_live(db, table, &condition).await.map_err(condition_error)?;
        return Ok((RowSource::Condition { condition, cursor: None, ended: false }, Some(rows)));
    }
    let path = args.keys_from.as_deref().unwrap_or_else(|| Path::new("-"));
    let (lines, total) = Lines::open(path, table)?;
    Ok((RowSource::Keys(lines), total))
}

/// An error of the query is the condition's fault, unless it is about locks or time.
fn condition_error(error: db::Error) -> Error {
    let said = error.refusal().filter(|refusal| !refusal.is_contention());
    if said.is_some() { Error::Usage(format!("--where: {error}")) } else { error.into() }
}

impl RowSource {
    /// The next keys, at most `limit`; none at the end.
    pub(super) async fn next(&mut self, db: &Db, table: &Table, limit: usize) -> Result<Option<Vec<Key>>> {
        match self {
            Self::Keys(lines) => lines.next(table, limit).await,
            Self::Condition { ended: true, .. } => Ok(None),
            Self::Condition { condition, cursor, ended } => {
                let page = live_page(db, table, condition, NextPage { after: cursor.as_ref(), limit }).await;
                let (keys, next) = page.map_err(condition_error)?;
                (*cursor, *ended) = (next, keys.len() < limit);
                Ok((!keys.is_empty()).then_some(keys))
            }
        }
    }
}
