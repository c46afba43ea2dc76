//! How a run ends, and what its cursor says of the next.

use serde::Serialize;
use serde_json::Value;
use sexton_core::{
    catalog::Rows,
    db,
    ledger::{SweepProgress, SweepRun},
};

/// A run that used up its budget: the next one continues at the checkpoint.
pub(super) fn paused_run(
    checkpoint: &impl Serialize,
    figures: &impl Serialize,
    progress: &SweepProgress,
    error: Option<String>,
) -> Result<SweepRun, db::Error> {
    Ok(SweepRun {
        cursor: to_json(checkpoint)?,
        figures: to_json(figures)?,
        progress: progress.clone(),
        over: false,
        error,
    })
}

/// A run that ended its pass.
pub(super) fn finished_run(figures: Value, progress: SweepProgress) -> SweepRun {
    SweepRun { cursor: Value::Object(serde_json::Map::new()), figures, progress, over: true, error: None }
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Value, db::Error> {
    serde_json::to_value(value).map_err(|error| db::Error::unreadable(error.to_string()))
}

/// The key columns of a table with their types. A cursor in the table is good as long as they are the same.
pub(super) fn describe_key(rows: &Rows) -> String {
    let columns = rows.key.iter().map(|(column, _)| format!("{} {}", column.name, column.base_type));
    columns.collect::<Vec<_>>().join(", ")
}
