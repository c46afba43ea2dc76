//! Sweeps: work over whole tables that one process at a time does now and then.
//!
//! Each is a file or folder with the interface [`Sweep`]. `sexton_sweep` has who runs it, how far it came and what it
//! did. A run that uses up its budget, or whose process dies, is continued by the next run, in any process.
//!
//! To add a sweep:
//! 1. Write its statements in a folder of its name in `crates/core/src/sweep/`.
//! 2. Write its pass in a file or folder of its name here: a unit struct that implements [`Sweep`].
//! 3. Name the file among the modules, and the sweep in [`SWEEPS`], both below. Help, errors, `sexton status` and
//!    metrics follow from there.
//! 4. Describe it in `docs/sweeps.md`, and test it in `tests/suites/sweep/`.

mod adopt;
mod budget;
mod context;
mod dangling;
mod interface;
mod prune;
mod run;
mod schedule;
mod unreferenced;
mod verify;
mod watch;

pub(crate) use self::context::{SweepContext, TargetAccess};
pub(crate) use self::interface::{Effect, RegisteredSweep, Sweep};
pub(crate) use self::schedule::{run_once, schedule};
pub(crate) use self::watch::{Watch, with_health};

/// The registry, in the order in which sweeps run: `prune` forgets what `verify` needs.
pub(crate) const SWEEPS: [RegisteredSweep; 5] = [
    RegisteredSweep {
        name: "adopt",
        help: "finds marked rows without a deletion, and requests one where adopt = \"on\"",
        sweep: &adopt::AdoptSweep,
    },
    RegisteredSweep {
        name: "dangling",
        help: "deals with rows that outlived their parent, by the rules for children",
        sweep: &dangling::DanglingSweep,
    },
    RegisteredSweep {
        name: "unreferenced",
        help: "deprecates, hides and deletes rows that nothing references, where mode = \"on\"",
        sweep: &unreferenced::UnreferencedSweep,
    },
    RegisteredSweep {
        name: "verify",
        help: "looks whether deleted twins are still gone, for the share in sync.verify",
        sweep: &verify::VerifySweep,
    },
    RegisteredSweep {
        name: "prune",
        help: "deletes finished deletions that are old enough",
        sweep: &prune::PruneSweep,
    },
];

/// The names of all sweeps, for messages.
pub(crate) fn sweep_names() -> String {
    SWEEPS.map(|sweep| sweep.name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::SWEEPS;

    #[test]
    fn every_sweep_is_documented() {
        let page = include_str!("../../../../docs/sweeps.md");
        for sweep in SWEEPS {
            assert!(page.contains(&format!("`{}`", sweep.name)), "docs/sweeps.md does not mention {}", sweep.name);
        }
    }
}
