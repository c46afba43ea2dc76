//! `unreferenced`: rows that are only there because others reference them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Resource,
    check::{InvalidSetting, ensure, ensure_table_name},
    duration,
    resource::one_or_many,
    settings::Sync,
};

/// An age counts over time in which a row was looked at this many times, at least.
const LOOKS: u32 = 4;

/// Which rows are unreferenced, and what becomes of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unreferenced {
    /// The foreign keys that reference the table: all there are.
    pub by: Vec<Reference>,
    /// The column that says since when a row has been unreferenced.
    pub since: String,
    /// For how long such a row may still be chosen.
    #[serde(deserialize_with = "duration::deserialize")]
    pub hide_after: Duration,
    /// After how long it is deleted.
    #[serde(deserialize_with = "duration::deserialize")]
    pub delete_after: Duration,
    /// Whether anything is done about such rows.
    #[serde(default)]
    pub mode: UnreferencedMode,
}

/// A foreign key that references the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The referencing table, `name` or `schema.name`.
    pub table: String,
    /// The referencing columns.
    #[serde(alias = "columns", deserialize_with = "one_or_many")]
    pub column: Vec<String>,
}

/// Whether the sweep `unreferenced` does anything about such rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnreferencedMode {
    /// They are counted.
    #[default]
    Report,
    /// They are deprecated, hidden and deleted.
    On,
}

/// What applications must know of it, to see which rows may still be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hiding {
    /// [`Unreferenced::since`].
    pub since: String,
    /// [`Unreferenced::hide_after`], in milliseconds.
    pub hide_after_ms: i64,
}

impl Unreferenced {
    /// The part that applications must know.
    #[must_use]
    pub fn hiding(&self) -> Hiding {
        Hiding { since: self.since.clone(), hide_after_ms: duration::millis(self.hide_after) }
    }

    /// The longest time between two looks at a row over which its age counts.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        self.delete_after / LOOKS
    }
}

pub(super) fn validate(path: &str, resource: &Resource, sync: &Sync) -> Result<(), InvalidSetting> {
    let Some(unreferenced) = &resource.unreferenced else { return Ok(()) };
    let at = |key: &str| format!("{path}.unreferenced.{key}");
    ensure(!unreferenced.by.is_empty(), &at("by"), || {
        "expected the foreign keys that reference the table, as in \
         [{ table = \"person\", column = \"favorite_toy_id\" }]"
            .to_owned()
    })?;
    for (index, reference) in unreferenced.by.iter().enumerate() {
        ensure_table_name(&at(&format!("by[{index}].table")), &reference.table)?;
        ensure(!reference.column.is_empty(), &at(&format!("by[{index}].column")), || {
            "expected at least one column".to_owned()
        })?;
    }
    let written = resource.marker.iter().map(|marker| &marker.column);
    let written: Vec<&String> = written.chain(resource.marker_when.iter().map(|rule| &rule.marker.column)).collect();
    ensure(!written.contains(&&unreferenced.since), &at("since"), || {
        format!("`{}` marks removed rows; name a column of its own", unreferenced.since)
    })?;
    ensure(unreferenced.hide_after <= unreferenced.delete_after, &at("hide_after"), || {
        "it is longer than delete_after: rows would be deleted that can still be chosen".to_owned()
    })?;
    // A pass begins up to two intervals after the one before, and takes a while itself.
    let least = sync.interval * 2 * LOOKS;
    ensure(unreferenced.delete_after >= least, &at("delete_after"), || {
        format!(
            "it must be at least {}: an age counts only while every row is looked at each quarter of it, and sweeps \
             are considered every {} (sync.interval)",
            humantime::format_duration(least),
            humantime::format_duration(sync.interval)
        )
    })
}
