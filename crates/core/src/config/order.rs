//! The order in which targets are called: `after = ["stripe"]` names those that must have confirmed before.

use std::collections::BTreeSet;

use super::Target;
use crate::ids::TargetName;

/// Puts each target behind those that it comes after; targets that do not depend on each other keep their order. So the
/// first unconfirmed target is always one that may be called.
///
/// # Errors
/// The names of a cycle, the first repeated at the end; the order of the targets is unchanged then.
pub(super) fn sort(targets: &mut [Target]) -> Result<(), Vec<TargetName>> {
    let mut order: Vec<usize> = Vec::with_capacity(targets.len());
    let mut placed = BTreeSet::new();
    while order.len() < targets.len() {
        let ready = |target: &Target| !placed.contains(&target.name) && target.after.iter().all(|n| placed.contains(n));
        let Some(next) = targets.iter().position(ready) else { return Err(cycle(targets, &placed)) };
        placed.insert(targets[next].name.clone());
        order.push(next);
    }
    for (index, target) in targets.iter_mut().enumerate() {
        target.file_index = index;
    }
    targets.sort_by_key(|target| order.iter().position(|&index| index == target.file_index));
    Ok(())
}

/// Follows the first unplaced predecessor from target to target until one is met twice.
fn cycle(targets: &[Target], placed: &BTreeSet<TargetName>) -> Vec<TargetName> {
    let mut way: Vec<TargetName> = Vec::new();
    let mut at = targets.iter().find(|target| !placed.contains(&target.name));
    while let Some(target) = at {
        if let Some(start) = way.iter().position(|name| *name == target.name) {
            way.drain(..start);
            way.push(target.name.clone());
            return way;
        }
        way.push(target.name.clone());
        let before = target.after.iter().find(|name| !placed.contains(*name));
        at = before.and_then(|name| targets.iter().find(|other| other.name == *name));
    }
    way
}
