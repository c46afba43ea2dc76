//! The lanes in which twins are looked at: one for each target of each configured table.

use std::collections::BTreeMap;

use sexton_core::{catalog::Table, config::Target, ids::Lane, store::Store};

/// A target of a table, in whose lane calls are made.
#[derive(Clone, Copy)]
pub(super) struct LaneTarget<'a> {
    pub(super) table: &'a Table,
    pub(super) target: &'a Target,
}

pub(super) fn lane_targets(store: &Store) -> BTreeMap<Lane, LaneTarget<'_>> {
    let mut lanes = BTreeMap::new();
    for table in store.catalog.tables() {
        for target in &table.resource.targets {
            lanes.insert(Lane::of_target(&table.name, &target.name), LaneTarget { table, target });
        }
    }
    lanes
}
