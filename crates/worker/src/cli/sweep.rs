//! `sexton sweep`: running a sweep now.

use std::{path::Path, time::Duration};

use serde::Serialize;
use serde_json::Value;
use sexton_core::{config::SweepBudget, ledger::SweepRun};

use super::{
    error::{Error, Result},
    open, output,
};
use crate::sweep::{Ground, Sweep, Targets, all, run_once};

/// Nothing is left for a later run, for there is none.
const UNLIMITED: SweepBudget = SweepBudget { rows: u64::MAX, time: Duration::MAX };

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sexton sweep adopt --dry-run
  sexton sweep prune --json

  adopt     finds rows that carry their marker although Sexton was never asked to delete them; it only counts them unless
            their resource says adopt = \"on\"
  dangling  deals with rows that outlived their parent, by the rules for children
  unreferenced  deprecates rows that nothing references any more, and deletes them in the end; it only counts them unless
            their resource says mode = \"on\"
  prune     removes finished deletions that are old enough
  verify    looks whether what was deleted is still gone, for the share that sync.verify says; a dry run looks again at all
            that is still known, and deletes nothing again

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
    let catalog = open::catalog(path, &opened).await?;
    let wanted = |name: &str| args.name.as_deref().is_none_or(|wanted| wanted == name);
    let calls = opened.config.sync.verify.switched_on().is_some() && wanted("verify");
    let targets = if calls { Some(open::targets(path, &opened.config)?) } else { None };
    let targets = targets.as_ref().map(|(connectors, gates)| Targets { connectors, gates });
    let (db, ledger, config) = (&opened.db, &opened.ledger, &opened.config);
    let ground = Ground { db, ledger, catalog: &catalog, config, targets };
    for sweep in sweeps.iter().filter(|sweep| wanted(sweep.name())) {
        let run = if args.dry_run {
            let cursor = ground.ledger.sweep_cursor(ground.db, sweep.name()).await?;
            sweep.run(ground, sweep.memory(&cursor), UNLIMITED, true).await?
        } else {
            to_the_end(&**sweep, ground).await?
        };
        report(sweep.name(), run, &args)?;
    }
    Ok(())
}

async fn to_the_end(sweep: &dyn Sweep, ground: Ground<'_>) -> Result<SweepRun> {
    let leader = format!("{} (command line, {})", open::default_user(), std::process::id());
    let mut last = None;
    loop {
        match run_once(sweep, ground, &leader, Duration::ZERO).await? {
            Some(run) if run.over => return Ok(run),
            // What it waits for may take a while.
            Some(run) => {
                let cursor = Some(run.cursor);
                if last == cursor {
                    tokio::time::sleep(ground.config.sync.interval).await;
                }
                last = cursor;
            }
            None => {
                let states = ground.ledger.sweeps(&ground.db.conn).await?;
                let state = states.into_iter().find(|state| state.name == sweep.name());
                let who = state.and_then(|state| Some((state.leader?, state.lease_until?)));
                let (leader, until) = who.unwrap_or_default();
                let name = sweep.name();
                return Err(Error::NotFound(format!("{name} is being run by {leader}, whose lease ends at {until}")));
            }
        }
    }
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
