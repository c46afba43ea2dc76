//! `sexton sweep`: running a sweep now.

use std::{path::Path, time::Duration};

use serde::Serialize;
use serde_json::Value;
use sexton_core::ledger::SweepRun;
use tokio_util::sync::CancellationToken;

use super::{
    error::{Error, Result},
    interrupt::Interrupt,
    open, output,
    progress::Progress,
};
use crate::sweep::{Ground, Sweep, Targets, all, run_once};

/// How long the lead is given back for, by one who wants to be gone.
const AT_ONCE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sexton sweep adopt --dry-run
  sexton sweep prune --json

  adopt         finds rows that carry their marker although Sexton was never asked to delete them; it only counts them
                unless their resource says adopt = \"on\"
  dangling      deals with rows that outlived their parent, by the rules for children
  unreferenced  deprecates rows that nothing references any more, and deletes them in the end; it only counts them unless
                their resource says mode = \"on\"
  verify        looks whether what was deleted is still gone, for the share that sync.verify says; a dry run looks again at
                all that is still known, and deletes nothing again
  prune         removes finished deletions that are old enough

Sweeps run by themselves in one of the `sexton run` processes; this is for those who will not wait. Exit code 3: another
process is at it.")]
pub(super) struct Args {
    /// The sweep; all of them if left out.
    name: Option<String>,
    /// Only count what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object a sweep.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Line<'s> {
    sweep: &'s str,
    dry_run: bool,
    #[serde(flatten)]
    figures: Value,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let sweeps = all();
    if let Some(name) = args.name.as_deref().filter(|name| !sweeps.iter().any(|sweep| sweep.name() == *name)) {
        let known: Vec<_> = sweeps.iter().map(|sweep| sweep.name()).collect();
        return Err(Error::Usage(format!("there is no sweep `{name}`; expected one of {}", known.join(", "))));
    }
    let opened = open::ledger(path).await?;
    let store = open::store(path, &opened).await?;
    let wanted = |name: &str| args.name.as_deref().is_none_or(|wanted| wanted == name);
    let calls = opened.config.sync.verify.switched_on().is_some() && wanted("verify");
    let targets = if calls { Some(open::targets(path, &opened.config)?) } else { None };
    let targets = targets.as_ref().map(|(connectors, gates)| Targets { connectors, gates });
    let ground = Ground { store: &store, config: &opened.config, targets };
    let mut interrupt = Interrupt::listen("run")?;
    for sweep in sweeps.iter().filter(|sweep| wanted(sweep.name())) {
        if interrupt.asked.is_cancelled() {
            return Err(interrupted(&format!(" before {}", sweep.name())));
        }
        let pass = Pass { sweep: &**sweep, ground, asked: interrupt.asked.clone(), dry: args.dry_run };
        let result = tokio::select! {
            result = pass.to_the_end() => result,
            () = interrupt.again() => pass.ended_at_once().await,
        };
        report(sweep.name(), result?, &args)?;
    }
    Ok(())
}

/// A pass of a sweep, run by run.
struct Pass<'a> {
    sweep: &'a dyn Sweep,
    ground: Ground<'a>,
    /// Whether somebody asked for the end.
    asked: CancellationToken,
    dry: bool,
}

impl Pass<'_> {
    async fn to_the_end(&self) -> Result<SweepRun> {
        let (name, progress) = (self.sweep.name(), Progress::in_words());
        let mut cursor = None;
        loop {
            let run = match self.next(cursor.clone()).await {
                Ok(run) if !run.over => run,
                result => return result,
            };
            progress.tell(format!("{name}: {}", told(&run.figures)));
            // What it waits for may take a while.
            if cursor.as_ref() == Some(&run.cursor) {
                tokio::select! {
                    () = tokio::time::sleep(self.ground.config.sync.interval) => {}
                    () = self.asked.cancelled() => {}
                }
            }
            if self.asked.is_cancelled() {
                return Err(interrupted(if self.dry { "" } else { "; the same command goes on where it ended" }));
            }
            cursor = Some(run.cursor);
        }
    }

    /// The next run within the budget. A dry one goes on at `cursor`, which nobody else knows of.
    async fn next(&self, cursor: Option<Value>) -> Result<SweepRun> {
        let Self { sweep, ground, .. } = *self;
        if self.dry {
            let cursor = match cursor {
                Some(cursor) => cursor,
                None => sweep.memory(&ground.store.ledger.sweep_cursor(&ground.store.db, sweep.name()).await?),
            };
            return Ok(sweep.run(ground, cursor, ground.config.sync.budget, true).await?);
        }
        match run_once(sweep, ground, &leader(), Duration::ZERO).await? {
            Some(run) => Ok(run),
            None => {
                let states = ground.store.ledger.sweeps(&ground.store.db.conn).await?;
                let state = states.into_iter().find(|state| state.name == sweep.name());
                let who = state.and_then(|state| Some((state.leader?, state.lease_until?)));
                let (leader, until) = who.unwrap_or_default();
                let name = sweep.name();
                Err(Error::NotFound(format!("{name} is being run by {leader}, whose lease ends at {until}")))
            }
        }
    }

    /// Gives the lead back, for which others would wait otherwise.
    async fn ended_at_once(&self) -> Result<SweepRun> {
        let store = self.ground.store;
        let (name, leader) = (self.sweep.name(), leader());
        if !self.dry {
            // If the database does not answer, the lead ends with its lease.
            tokio::time::timeout(AT_ONCE, store.ledger.leave_sweep(&store.db, name, &leader, None)).await.ok();
        }
        Err(interrupted(" by a second signal"))
    }
}

/// Who leads while this command runs.
fn leader() -> String {
    format!("{} (command line, {})", open::default_user(), std::process::id())
}

fn interrupted(more: &str) -> Error {
    Error::Failed(anyhow::anyhow!("interrupted{more}"))
}

/// Those of the figures that are not zero, in a line.
fn told(figures: &Value) -> String {
    let figures = figures.as_object().into_iter().flatten();
    let told = figures.filter(|(_, count)| count.as_u64() != Some(0)).map(|(name, count)| format!("{name} {count}"));
    told.collect::<Vec<_>>().join(", ")
}

fn report(name: &str, run: SweepRun, args: &Args) -> Result {
    if args.json {
        return output::json(&Line { sweep: name, dry_run: args.dry_run, figures: run.figures });
    }
    println!("{name}{}", if args.dry_run { " (nothing was changed)" } else { "" });
    for (figure, count) in run.figures.as_object().into_iter().flatten() {
        println!("  {figure:<12}{count}");
    }
    Ok(())
}
