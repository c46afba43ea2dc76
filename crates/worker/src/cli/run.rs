//! `sexton run`: the daemon.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::{
    error::{Error, Result},
    open,
};
use crate::{Daemon, Options};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sexton run
  sexton run --until-idle       # in a batch job: work off what is due, then end

SIGTERM or SIGINT: stop taking work, finish or hand back what is in flight within worker.shutdown_grace, exit 0.
A second signal ends the process at once; the leases of what was in flight expire.")]
pub(super) struct Args {
    /// End with exit code 0 once nothing is running and nothing will be due without time passing.
    #[arg(long)]
    until_idle: bool,
    /// Start although resources are defined otherwise than `sexton migrate` wrote them.
    #[arg(long)]
    allow_drift: bool,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    // Before anything is claimed: a signal that comes early must not find the default action.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let config = open::config(path)?;
    let started = tokio::select! {
        started = Daemon::start(config, Options { allow_drift: args.allow_drift }) => started,
        // Nothing was claimed yet.
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let mut daemon = started.map_err(|error| Error::start(error, path))?;
    let idle = daemon.until_idle();
    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        idle = idle, if args.until_idle => idle.err().map(anyhow::Error::from),
        failure = daemon.failed() => Some(failure.into()),
    };
    tokio::select! {
        () = daemon.shutdown() => {}
        _ = terminate.recv() => return Err(Error::Failed(anyhow::anyhow!("ended at once by a second signal"))),
        _ = interrupt.recv() => return Err(Error::Failed(anyhow::anyhow!("ended at once by a second signal"))),
    }
    failure.map_or(Ok(()), |failure| Err(Error::Failed(failure)))
}
