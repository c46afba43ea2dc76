//! The command line of the demonstration.

use std::path::PathBuf;

use clap::Parser;

/// Deletes bookings in two phases through a calendar that misbehaves.
#[derive(Debug, Parser)]
#[command(name = "calendar", version)]
pub(crate) struct Options {
    /// End when the work is done instead of staying up until Ctrl-C.
    #[arg(long)]
    pub(crate) exit: bool,
    /// Where the database, the configuration and the log are written.
    #[arg(long, default_value = "target/calendar-demo")]
    pub(crate) dir: PathBuf,
    /// How many bookings are removed.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) bookings: u32,
    /// Share of the calendar's answers that are errors, throttling, too late or lost.
    #[arg(long, default_value_t = 0.2, value_parser = share)]
    pub(crate) misbehave: f64,
    /// Decides which answers those are: the same seed, the same misbehaviour.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// A PostgreSQL database instead of the SQLite file; everything goes into its schema `calendar_demo`, which is
    /// dropped first.
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// A Redis that carries hints to the daemon.
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("{share} is not between 0 and 1")) }
}
