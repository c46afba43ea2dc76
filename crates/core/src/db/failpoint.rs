//! Points at which a test kills the process, one at each commit boundary.

/// Reads `FAILPOINTS`; called once, at the start of `main`. Without the feature `failpoints`, and in every release
/// build, this is nothing.
pub fn arm_kill_points() {
    #[cfg(all(feature = "failpoints", debug_assertions))]
    std::mem::forget(fail::FailScenario::setup()); // Dropping it would disarm them.
}

/// Aborts the process if the failpoint `name` is switched on (`FAILPOINTS=name=return`, or `name=50%1*return`).
/// Without the feature `failpoints`, and in every release build, this is nothing.
#[inline]
pub fn kill_point(name: &'static str) {
    #[cfg(all(feature = "failpoints", debug_assertions))]
    if fail::eval(name, |_| ()).is_some() {
        tracing::error!(name, "killed at a failpoint");
        std::process::abort();
    }
    #[cfg(not(all(feature = "failpoints", debug_assertions)))]
    let _: &str = name;
}
