//! `[resources.NAME]`: a table whose rows Sexton deletes.

use std::time::Duration;

use serde::Deserialize;

use super::{AdoptMode, AfterConfirmation, Child, Marker, MarkerWhen, Target, Unreferenced, VerifyMode, duration};
use crate::ids::{Lane, ResourceName};

/// A resource as configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The table, `name` or `schema.name`.
    pub table: String,
    /// The key columns, in order.
    #[serde(deserialize_with = "one_or_many")]
    pub key: Vec<String>,
    /// How phase 1 marks a row. Without one no deletion can be requested, and only the sweep `unreferenced` deletes
    /// rows.
    pub marker: Option<Marker>,
    /// Other ways of marking, for rows that match; the first that matches wins over `marker`.
    #[serde(default)]
    pub marker_when: Vec<MarkerWhen>,
    /// What becomes of a row after all targets confirmed.
    #[serde(default)]
    pub then: AfterConfirmation,
    /// The least time for which a deletion stays restorable.
    #[serde(default, deserialize_with = "duration::deserialize")]
    pub grace: Duration,
    /// Whether a finished deletion keeps only a salted hash of the key.
    #[serde(default)]
    pub hash_key: bool,
    /// What becomes of rows that were marked without a request.
    #[serde(default)]
    pub adopt: AdoptMode,
    /// Rows that were marked earlier are not adopted; RFC 3339, UTC.
    pub adopt_since: Option<String>,
    /// Whether rows are adopted that were marked at any time.
    #[serde(default)]
    pub adopt_all: bool,
    /// What becomes of rows that nothing references any more.
    pub unreferenced: Option<Unreferenced>,
    /// The external systems in which a row has a twin.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// Rows that must not outlive a row of this table.
    #[serde(default)]
    pub children: Vec<Child>,
    /// What `sync.verify` says, for all resources.
    #[serde(skip)]
    pub verify: Option<VerifyMode>,
}

pub(super) fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    match OneOrMany::deserialize(deserializer) {
        Ok(OneOrMany::One(column)) => Ok(vec![column]),
        Ok(OneOrMany::Many(columns)) => Ok(columns),
        Err(_) => Err(serde::de::Error::custom("expected a column name or an array of column names")),
    }
}

impl Resource {
    /// The lanes of a resource called `name`: its own, and one for each target.
    #[must_use]
    pub fn lanes(&self, name: &ResourceName) -> Vec<Lane> {
        let of_targets = self.targets.iter().map(|target| Lane::of_target(name, &target.name));
        [Lane::of_resource(name)].into_iter().chain(of_targets).collect()
    }

    /// What may be written to mark a row, in the order in which the rules are tried: the last is for all rows that no
    /// other is for. Empty without a marker.
    pub fn markers(&self) -> impl Iterator<Item = &Marker> {
        self.marker_when.iter().map(|rule| &rule.marker).chain(&self.marker)
    }

    /// The columns that markers are written to.
    #[must_use]
    pub fn marker_columns(&self) -> Vec<String> {
        sorted(self.markers().map(|marker| marker.column.clone()))
    }

    /// The columns that a ledger entry captures: those that templates, `skip_when_null`, child rules and markers use.
    #[must_use]
    pub fn payload_columns(&self) -> Vec<String> {
        let of_targets = self.targets.iter().flat_map(Target::columns);
        let of_markers = self.marker_when.iter().map(|rule| rule.column.clone()).chain(self.marker_columns());
        let of_children = self.children.iter().flat_map(Child::parent_columns).map(str::to_owned);
        sorted(of_targets.chain(of_markers).chain(of_children))
    }

    /// Those of the captured columns that a finished deletion keeps for `sync.keep_refs`, for checks that come later.
    #[must_use]
    pub fn ref_columns(&self) -> Vec<String> {
        let is_key = |column: &str| self.key.iter().any(|key| key == column);
        let of_targets = self.targets.iter().flat_map(|target| target.ref_columns(self.verify));
        let of_targets = of_targets.filter(|column| !self.hash_key || !is_key(column));
        // The key is stored anyway, or must not be.
        let of_children = self.children.iter().flat_map(Child::parent_columns).filter(|column| !is_key(column));
        sorted(of_targets.chain(of_children.map(str::to_owned)))
    }
}

fn sorted(columns: impl Iterator<Item = String>) -> Vec<String> {
    let mut columns: Vec<String> = columns.collect();
    columns.sort();
    columns.dedup();
    columns
}
