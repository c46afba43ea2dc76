//! `sexton dlq`: what on-call does with dead letters.

use std::{path::Path, time::Duration};

use serde::Serialize;
use sexton_core::{
    ids::{DeletionId, ResourceName},
    ledger::{DeadLetter, Filter, Operator},
    outcome::DeadKind,
};

use super::{
    confirm::confirm,
    error::{Error, Result},
    open::{self, Opened},
    output, show,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List dead letters, oldest first.
    #[command(after_help = "Example:\n  sexton dlq list --target calendar --kind rejected --older-than 1h")]
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u64,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Everything about one dead letter.
    Show(show::Args),
    /// Give dead letters another try: due now, attempts zeroed, history and confirmations kept.
    #[command(after_help = BULK)]
    Retry {
        #[command(flatten)]
        bulk: Bulk,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Give dead letters up: their rows stay marked, and nothing is deleted any more.
    #[command(after_help = BULK)]
    Discard {
        #[command(flatten)]
        bulk: Bulk,
        /// Why; kept with the deletion.
        #[arg(long)]
        reason: String,
    },
}

const BULK: &str = "Examples:
  sexton dlq retry 01939d1c-…
  sexton dlq retry --target calendar --kind exhausted --dry-run
  sexton dlq retry --all --yes
  sexton dlq discard 01939d1c-… --reason 'calendar was closed'

Without ids the command asks before it changes anything; without a terminal it needs --yes.";

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Which {
    /// Only of this resource.
    #[arg(long)]
    resource: Option<ResourceName>,
    /// Only those whose last failed attempt was at this target (`row`: the database).
    #[arg(long)]
    target: Option<String>,
    /// Only those that are dead for this reason.
    #[arg(long, value_name = "KIND")]
    kind: Option<DeadKind>,
    /// Only those that have been dead for longer, for example `2h`.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    older_than: Option<Duration>,
}

impl Which {
    const fn is_empty(&self) -> bool {
        self.resource.is_none() && self.target.is_none() && self.kind.is_none() && self.older_than.is_none()
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Bulk {
    /// The dead letters.
    ids: Vec<DeletionId>,
    #[command(flatten)]
    which: Which,
    /// The oldest so many.
    #[arg(long)]
    limit: Option<u64>,
    /// All dead letters.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Only list what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Who does it.
    #[arg(long, default_value_t = open::default_user())]
    by: String,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(path: &Path, command: Command) -> Result {
    match command {
        Command::List { which, limit, json } => {
            let opened = open::ledger(path).await?;
            let letters = find(&opened, Vec::new(), which, Some(limit)).await?;
            print(&letters, json)
        }
        Command::Show(args) => show::run(path, args).await,
        Command::Retry { bulk, reason } => act(path, bulk, "retry", reason.as_deref()).await,
        Command::Discard { bulk, reason } => act(path, bulk, "discard", Some(&reason)).await,
    }
}

async fn find(opened: &Opened, ids: Vec<DeletionId>, which: Which, limit: Option<u64>) -> Result<Vec<DeadLetter>> {
    let Which { resource, target, kind, older_than } = which;
    let filter = Filter { resource, target, kind, older_than, ids, limit };
    Ok(opened.ledger.dead_letters(&opened.db.conn, &filter).await?)
}

fn print(letters: &[DeadLetter], json: bool) -> Result {
    if json {
        return letters.iter().try_for_each(output::json);
    }
    let rows: Vec<_> = letters
        .iter()
        .map(|letter| {
            let error = letter.error.clone().unwrap_or_default();
            [
                letter.id.to_string(),
                letter.resource.clone(),
                letter.key.clone(),
                letter.kind.clone(),
                letter.dead_at.clone(),
                error,
            ]
        })
        .collect();
    output::table(["ID", "RESOURCE", "KEY", "KIND", "DEAD SINCE", "LAST ERROR"], &rows);
    Ok(())
}

async fn act(path: &Path, bulk: Bulk, verb: &str, reason: Option<&str>) -> Result {
    if reason.is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Error::Usage("--reason must say something".to_owned()));
    }
    if bulk.ids.is_empty() && bulk.which.is_empty() && bulk.limit.is_none() && !bulk.all {
        return Err(Error::Usage(format!("say which dead letters to {verb}: ids, a filter, or --all")));
    }
    let opened = open::ledger(path).await?;
    let letters = find(&opened, bulk.ids.clone(), bulk.which.clone(), bulk.limit).await?;
    // With filters beside ids, an id that does not match is left out on purpose; otherwise it must be dead.
    if bulk.which.is_empty() && bulk.limit.is_none() {
        for id in &bulk.ids {
            if !letters.iter().any(|letter| letter.id == *id) {
                let state = opened.ledger.record(&opened.db.conn, *id).await?;
                let state = state.map_or_else(|| "does not exist".to_owned(), |record| format!("is {}", record.state));
                return Err(Error::NotFound(format!("deletion {id} {state}, not dead; nothing was changed")));
            }
        }
    }
    if bulk.dry_run {
        print(&letters, bulk.json)?;
        eprintln!("sexton: would {verb} {} dead letters", letters.len());
        return Ok(());
    }
    if bulk.ids.is_empty() && !bulk.yes && !letters.is_empty() {
        confirm(&format!("{verb} {} dead letters", letters.len()))?;
    }
    let ids: Vec<_> = letters.iter().map(|letter| letter.id).collect();
    let operator = Operator { who: &bulk.by, reason };
    let mut done = Vec::new();
    // In batches: one transaction over a hundred thousand rows would hold their locks for all of it.
    for batch in ids.chunks(500) {
        let changed = match verb {
            "retry" => opened.ledger.retry_dead(&opened.db, batch, &operator).await?,
            _ => opened.ledger.discard_dead(&opened.db, batch, &operator).await?,
        };
        done.extend(changed);
    }
    report(&done, verb, bulk.json)
}

#[derive(Debug, Serialize)]
struct Done<'d> {
    id: String,
    action: &'d str,
}

fn report(done: &[DeletionId], verb: &str, json: bool) -> Result {
    if json {
        return done.iter().try_for_each(|id| output::json(&Done { id: id.to_string(), action: verb }));
    }
    match verb {
        "retry" => println!("{} dead letters are due again", done.len()),
        _ => println!("{} dead letters are discarded", done.len()),
    }
    Ok(())
}
