//! `sexton dlq retarget`: a target has a new name.

use std::path::Path;

use serde::Serialize;
use sexton_core::{
    ids::{ResourceName, TargetName},
    ledger::Operator,
};

use super::{
    confirm::confirm,
    error::{Error, Result},
    open, output,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  sexton dlq retarget booking.calendar booking.google --reason 'renamed in sexton.toml'

Takes what is pending, and what is dead as target_not_configured; the latter is retried. It asks first; without a
terminal it needs --yes.")]
pub(super) struct Args {
    /// The target's old name, RESOURCE.TARGET.
    #[arg(value_name = "OLD")]
    old: String,
    /// Its new name in the same resource.
    #[arg(value_name = "NEW")]
    new: String,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Only count the deletions.
    #[arg(long)]
    dry_run: bool,
    /// Who does it.
    #[arg(long, default_value_t = open::default_user())]
    by: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct RetargetLine {
    from: String,
    to: String,
    deletions: usize,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let (resource, old) = parse(&args.old)?;
    let (other, new) = parse(&args.new)?;
    let opened = open::installation(path).await?;
    if resource != other {
        return Err(Error::Usage(format!("{} and {} are targets of different resources", args.old, args.new)));
    }
    let targets = opened.config.resources.get(&resource).map(|resource| &resource.targets);
    let is_configured = |name: &TargetName| targets.is_some_and(|all| all.iter().any(|target| target.name == *name));
    if !is_configured(&new) {
        return Err(Error::Usage(format!("{} is not in the configuration", args.new)));
    }
    if is_configured(&old) {
        return Err(Error::Usage(format!("{} is still in the configuration; its deletions ask it", args.old)));
    }
    let count = opened.ledger.count_of_target(&opened.db, &resource, &old).await?;
    if args.dry_run {
        eprintln!("sexton: would retarget {count} deletions");
        return Ok(());
    }
    if count > 0 && !args.yes {
        confirm(&format!("let {count} deletions ask {} in place of {}", args.new, args.old))?;
    }
    let operator = Operator { who: &args.by, reason: args.reason.as_deref() };
    let done = opened.ledger.retarget(&opened.db, &resource, (&old, &new), &operator).await?;
    if args.json {
        return output::json(&RetargetLine { from: args.old, to: args.new, deletions: done.len() });
    }
    println!("{} deletions ask {} in place of {}", done.len(), args.new, args.old);
    Ok(())
}

fn parse(lane: &str) -> Result<(ResourceName, TargetName)> {
    let names =
        lane.split_once('.').and_then(|(resource, target)| Some((resource.parse().ok()?, target.parse().ok()?)));
    names.ok_or_else(|| Error::Usage(format!("`{lane}` is not RESOURCE.TARGET")))
}
