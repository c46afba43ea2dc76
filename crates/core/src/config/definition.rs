//! What producers and workers must agree on: the part of a resource that `migrate` writes down.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{AfterConfirmation, Child, Hiding, Marker, MarkerWhen, Resource, Unreferenced, duration};
use crate::ids::TargetName;

/// The part of a resource that producers and workers must agree on. `migrate` writes it into `sexton_resource`; it
/// holds no URL and no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "each field is that of `Resource`")]
pub struct Definition {
    pub table: String,
    pub key: Vec<String>,
    /// Left out when none, as `unreferenced` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<Marker>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreferenced: Option<Hiding>,
    pub marker_when: Vec<MarkerWhen>,
    pub then: AfterConfirmation,
    #[serde(serialize_with = "duration::serialize")]
    pub grace: Duration,
    /// Left out when false, as `refs` is when empty: what an earlier release wrote is then the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hash_key: bool,
    /// See [`Resource::ref_columns`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<String>,
    pub targets: BTreeMap<TargetName, TargetColumns>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
}

/// The columns a target uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetColumns {
    /// In alphabetical order.
    pub columns: Vec<String>,
}

impl Resource {
    /// What producers must know of this resource; see [`Definition`].
    #[must_use]
    pub fn definition(&self) -> Definition {
        Definition {
            table: self.table.clone(),
            key: self.key.clone(),
            marker: self.marker.clone(),
            unreferenced: self.unreferenced.as_ref().map(Unreferenced::hiding),
            marker_when: self.marker_when.clone(),
            then: self.then,
            grace: self.grace,
            hash_key: self.hash_key,
            refs: self.ref_columns(),
            targets: self.targets.iter().map(|t| (t.name.clone(), TargetColumns { columns: t.columns() })).collect(),
            children: self.children.clone(),
        }
    }
}
