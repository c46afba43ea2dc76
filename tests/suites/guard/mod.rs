//! Guards: rows that are deleted with plain SQL are recorded, so that their twins are deleted too.

mod families;
mod installing;
mod lost;
mod names;
mod own_deletions;
pub(crate) mod postgres;
mod recorded;
mod reused_keys;
mod texts;

use crate::rig::{RESOURCE, Rig, Server, on_both};

const OPEN: &str = "select key from sexton_deletion order by key";

/// Blocks 1 to `n`, guarded.
async fn blocks(server: Server, n: usize) -> Rig {
    guarded(Rig::blocks(server, n).await).await
}

/// All resources guarded.
async fn guarded(rig: Rig) -> Rig {
    drop(rig.run(&["guard", "--all"]).await.expect_code(0));
    rig
}

/// The settings of the resource `block` with these more.
fn resource_with(more: &str) -> String {
    RESOURCE.replace("[[resources.block.targets]]", &format!("{more}\n[[resources.block.targets]]"))
}
