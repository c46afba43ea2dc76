//! Lanes that are paused, closed by the breaker, or limited.

mod breaker;
mod gone;
mod pause;
mod refused;
mod throttled;

use crate::rig::workers::Setup;

/// No call takes too long and no lease ends, however slow the machine is: each call is made once.
fn calm() -> Setup {
    Setup { lease: "60s", timeout: "20s", ..Setup::default() }
}
