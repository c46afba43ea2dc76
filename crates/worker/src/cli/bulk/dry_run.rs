//! `--dry-run`: counts the rows that a bulk request would take.

use std::collections::HashSet;

use serde::Serialize;
use sexton_core::{catalog::Table, key::Key, store::Store};

use super::{missing::fail_if_missing, source::RowSource};
use crate::cli::{
    error::Result,
    output::{self, Format},
};

/// Keys that are shown.
const SAMPLE: usize = 10;

#[derive(Debug, Default, Serialize)]
struct DryRunReport {
    dry_run: bool,
    /// Live rows.
    rows: u64,
    /// Rows that carry their marker already: they would be requested if they have no open deletion.
    marked: u64,
    /// Keys without a row.
    missing: u64,
    sample: Vec<String>,
}

pub(super) async fn run(store: &Store, table: &Table, mut source: RowSource, size: usize, format: Format) -> Result {
    let mut report = DryRunReport { dry_run: true, ..DryRunReport::default() };
    while let Some(keys) = source.next(&store.db, table, size).await? {
        let live = match &source {
            RowSource::Condition { .. } => keys.clone(),
            RowSource::Keys(_) => table.live_among(&store.db.conn, &keys).await?,
        };
        if let RowSource::Keys(_) = &source {
            let there: HashSet<Key> = table.existing(&store.db.conn, &keys).await?.into_iter().collect();
            report.marked += (there.len() - live.len().min(there.len())) as u64;
            report.missing += keys.iter().filter(|key| !there.contains(*key)).count() as u64;
        }
        report.rows += live.len() as u64;
        let more = SAMPLE.saturating_sub(report.sample.len());
        report.sample.extend(live.iter().take(more).map(ToString::to_string));
    }
    if format == Format::Json {
        output::json(&report)?;
    } else {
        let sample: Vec<_> = report.sample.iter().map(|key| output::clean(key).replace('\n', "\\n")).collect();
        let sample = if sample.is_empty() { String::new() } else { format!(", for example {}", sample.join(", ")) };
        let marked = if report.marked == 0 { String::new() } else { format!("; {} carry their marker", report.marked) };
        println!("would request {} live rows of {}{sample}{marked}; nothing was changed", report.rows, table.name);
    }
    fail_if_missing(table, report.missing, "nothing was changed")
}
