//! Points at which a test kills the process, one at each commit boundary.

/// Aborts the process if the failpoint `name` is switched on (`FAILPOINTS=name=return`, or `name=50%1*return`).
/// Without the feature `failpoints`, and so in every release build, this is nothing.
#[inline]
pub fn kill_point(name: &'static str) {
    #[cfg(feature = "failpoints")]
    if fail::eval(name, |_| ()).is_some() {
        tracing::error!(name, "killed at a failpoint");
        std::process::abort();
    }
    #[cfg(not(feature = "failpoints"))]
    let _: &str = name;
}
