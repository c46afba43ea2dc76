//! `sexton sweep`: runs a sweep now.

use std::{path::Path, time::Duration};

use serde::Serialize;
use serde_json::Value;
use sexton_core::ledger::{SweepLead, SweepRun};
use tokio_util::sync::CancellationToken;

use super::{
    error::{Error, Result},
    interrupt::Interrupt,
    open, output,
    progress::ProgressDisplay,
};
use crate::sweep::{Effect, RegisteredSweep, SWEEPS, SweepContext, TargetAccess, run_once, sweep_names};

/// The longest wait for the lead to be given back, after a second signal.
const GIVE_BACK: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(super) struct Args {
    /// The sweep; all of them without a name.
    name: Option<String>,
    /// Only count.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object per sweep.
    #[arg(long)]
    json: bool,
}

/// Examples, and the sweeps as the registry has them.
fn after_help() -> String {
    let line = |sweep: &RegisteredSweep| format!("  {:<14}{}\n", sweep.name, sweep.help);
    let sweeps: String = SWEEPS.iter().map(line).collect();
    format!(
        "Examples:\n  sexton sweep adopt --dry-run\n  sexton sweep prune --json\n\nSweeps:\n{sweeps}\n\
         `sexton run` runs sweeps by itself; this command runs one now. Exit code 3: another process is running it."
    )
}

#[derive(Debug, Serialize)]
struct SweepLine<'s> {
    sweep: &'s str,
    dry_run: bool,
    #[serde(flatten)]
    figures: Value,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    if let Some(name) = args.name.as_deref().filter(|name| !SWEEPS.iter().any(|sweep| sweep.name == *name)) {
        return Err(Error::Usage(format!("there is no sweep `{name}`; expected one of {}", sweep_names())));
    }
    let opened = open::installation(path).await?;
    let store = open::store(path, &opened).await?;
    let wanted = |name: &str| args.name.as_deref().is_none_or(|wanted| wanted == name);
    let calls_targets = |sweep: &RegisteredSweep| wanted(sweep.name) && sweep.sweep.calls_targets(&opened.config);
    let targets = if SWEEPS.iter().any(calls_targets) { Some(opened.targets(path).await?) } else { None };
    let targets = targets.as_ref().map(|(connectors, gates)| TargetAccess { connectors, gates });
    let context = SweepContext { store: &store, config: &opened.config, targets };
    let effect = if args.dry_run { Effect::DryRun } else { Effect::Act };
    let mut interrupt = Interrupt::listen("run")?;
    for sweep in SWEEPS.iter().filter(|sweep| wanted(sweep.name)) {
        if interrupt.first.is_cancelled() {
            return Err(interrupted(&format!(" before {}", sweep.name)));
        }
        let pass = Pass { sweep, context, effect, stop: interrupt.first.clone() };
        let result = tokio::select! {
            result = pass.run_to_end() => result,
            () = interrupt.second() => pass.end_at_once().await,
        };
        report(sweep.name, result?, &args)?;
    }
    Ok(())
}

/// A pass of a sweep, run by run.
struct Pass<'a> {
    sweep: &'a RegisteredSweep,
    context: SweepContext<'a>,
    effect: Effect,
    /// Cancelled when the pass is to end after the current run.
    stop: CancellationToken,
}

impl Pass<'_> {
    async fn run_to_end(&self) -> Result<SweepRun> {
        let (name, progress) = (self.sweep.name, ProgressDisplay::of_messages());
        let mut cursor = None;
        loop {
            let run = match self.run_next(cursor.clone()).await {
                Ok(run) if !run.over => run,
                result => return result,
            };
            progress.show(format!("{name}: {}", summarize(&run.figures)));
            // No progress: it waits for something that may take a while.
            if cursor.as_ref() == Some(&run.cursor) {
                tokio::select! {
                    () = tokio::time::sleep(self.context.config.sync.interval) => {}
                    () = self.stop.cancelled() => {}
                }
            }
            if self.stop.is_cancelled() {
                return Err(interrupted(match self.effect {
                    Effect::DryRun => "",
                    Effect::Act => "; the same command continues where it ended",
                }));
            }
            cursor = Some(run.cursor);
        }
    }

    /// The next run within the budget. The cursor of a dry run is not in the database: it continues at `cursor`.
    async fn run_next(&self, cursor: Option<Value>) -> Result<SweepRun> {
        let Self { sweep, context, .. } = *self;
        let SweepContext { store, config, .. } = context;
        if self.effect == Effect::DryRun {
            let cursor = match cursor {
                Some(cursor) => cursor,
                None => sweep.sweep.memory(&store.ledger.sweep_cursor(&store.db, sweep.name).await?),
            };
            return Ok(sweep.sweep.run(context, cursor, config.sync.budget, self.effect).await?);
        }
        match run_once(sweep, context, &leader(), Duration::ZERO).await? {
            Some(run) => Ok(run),
            None => {
                let states = store.ledger.sweeps(&store.db.conn).await?;
                let state = states.into_iter().find(|state| state.name == sweep.name);
                let who = state.and_then(|state| Some((state.leader?, state.lease_until?)));
                let (leader, until) = who.unwrap_or_default();
                let name = sweep.name;
                Err(Error::NotFound(format!("{name} is being run by {leader}, whose lease ends at {until}")))
            }
        }
    }

    /// Gives the lead back, so that other processes need not wait for the lease's end.
    async fn end_at_once(&self) -> Result<SweepRun> {
        let store = self.context.store;
        let (name, leader) = (self.sweep.name, leader());
        if self.effect == Effect::Act {
            // If the database does not answer, the lead ends with its lease.
            tokio::time::timeout(
                GIVE_BACK,
                store.ledger.leave_sweep(&store.db, SweepLead { sweep: name, leader: &leader }, None),
            )
            .await
            .ok();
        }
        Err(interrupted(" by a second signal"))
    }
}

/// The leader's name while this command runs.
fn leader() -> String {
    format!("{} (command line, {})", open::default_user(), std::process::id())
}

fn interrupted(more: &str) -> Error {
    Error::Failed(anyhow::anyhow!("interrupted{more}"))
}

/// The figures that are not zero, in one line.
fn summarize(figures: &Value) -> String {
    let figures = figures.as_object().into_iter().flatten();
    let words = figures.filter(|(_, count)| count.as_u64() != Some(0)).map(|(name, count)| format!("{name} {count}"));
    words.collect::<Vec<_>>().join(", ")
}

fn report(name: &str, run: SweepRun, args: &Args) -> Result {
    if args.json {
        return output::json(&SweepLine { sweep: name, dry_run: args.dry_run, figures: run.figures });
    }
    println!("{name}{}", if args.dry_run { " (nothing was changed)" } else { "" });
    for (figure, count) in run.figures.as_object().into_iter().flatten() {
        println!("  {figure:<12}{count}");
    }
    Ok(())
}
