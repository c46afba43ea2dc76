//! `sexton pause` and `sexton resume`.

use std::path::Path;

use serde::Serialize;
use sexton_core::{
    ids::Lane,
    ledger::{Operator, PauseScope},
};

use super::{
    error::{Error, Result},
    open, output,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sexton pause booking                        nothing of this resource is claimed or called
  sexton pause booking.calendar --reason 'they are migrating'
  sexton pause --hard-deletes                 targets are called, but no row is deleted
  sexton resume booking.calendar              also closes its breaker: it is called at once
  sexton status                               lists pauses and open breakers, since when and why

Calls in flight are finished. Deletions wait untouched, and the time does not count against give_up_after. Rows without
targets that a producer deletes in its own transaction are not paused.")]
pub(super) struct Args {
    /// A resource, or RESOURCE.TARGET.
    #[arg(value_name = "SCOPE", required_unless_present = "hard_deletes")]
    scope: Option<String>,
    /// All hard deletes: rows whose targets have confirmed.
    #[arg(long, conflicts_with = "scope")]
    hard_deletes: bool,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who does it.
    #[arg(long, value_name = "WHO", default_value_t = open::default_user())]
    by: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Changed {
    scope: String,
    paused: bool,
    changed: bool,
}

/// Pausing what is paused already is no failure.
pub(super) async fn pause(path: &Path, args: Args) -> Result {
    let opened = open::installation(path).await?;
    let scope = scope(&args, &opened.config.lanes())?;
    let changed = opened.ledger.pause(&opened.db, &scope, &operator(&args)).await?;
    if args.json {
        return output::json(&Changed { scope: scope.to_string(), paused: true, changed });
    }
    println!("{scope} {}", if changed { "is paused" } else { "was paused already" });
    Ok(())
}

pub(super) async fn resume(path: &Path, args: Args) -> Result {
    let opened = open::installation(path).await?;
    let scope = scope(&args, &opened.config.lanes())?;
    if !opened.ledger.resume(&opened.db, &scope, &operator(&args)).await? {
        return Err(Error::NotFound(format!(
            "{scope} is neither paused nor shut by a breaker; `sexton status` lists what is"
        )));
    }
    if args.json {
        return output::json(&Changed { scope: scope.to_string(), paused: false, changed: true });
    }
    println!("{scope} is resumed");
    Ok(())
}

fn operator(args: &Args) -> Operator<'_> {
    Operator { who: &args.by, reason: args.reason.as_deref() }
}

fn scope(args: &Args, lanes: &[Lane]) -> Result<PauseScope> {
    match &args.scope {
        None => Ok(PauseScope::HardDeletes),
        Some(scope) if lanes.iter().any(|lane| lane.as_str() == scope) => Ok(PauseScope::Lane(scope.clone())),
        Some(scope) => {
            let known = lanes.iter().map(Lane::as_str).collect::<Vec<_>>().join(", ");
            Err(Error::Usage(format!("there is no resource or target `{scope}`; the configuration has {known}")))
        }
    }
}
