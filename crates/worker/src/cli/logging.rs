//! Log lines, on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use super::LogFormat;

/// apalis logs the starts and failures of its own that our supervision handles and reports.
const DEFAULT: &str = "warn,sexton_worker=info,sexton_core=info,apalis_core=off";

pub(super) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("SEXTON_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    // Only a test harness can have set a subscriber before; it stays in use.
    match format {
        LogFormat::Text => registry.with(lines).try_init().ok(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init().ok(),
    };
}
