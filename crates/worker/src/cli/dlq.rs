//! `sexton dlq`: listing dead letters, retrying and discarding them.
//!
//! To add a filter: add its option to [`DeadLetterFilter`] and its field to [`Filter`] in
//! `crates/core/src/ledger/operators/`, with the condition in the statement there.

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
    open::{self, Installation},
    output::{self, Format},
    retarget, show,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum DlqCommand {
    /// List dead letters, oldest first.
    #[command(after_help = "Example:\n  sexton dlq list --target calendar --kind rejected --older-than 1h")]
    List {
        #[command(flatten)]
        filter: DeadLetterFilter,
        /// List at most this many.
        #[arg(long, default_value_t = 100)]
        limit: u64,
        /// Print one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Show everything about one dead letter.
    Show(show::Args),
    /// Retry dead letters: due now, attempts zeroed, history and confirmations kept.
    #[command(after_help = BULK)]
    Retry {
        #[command(flatten)]
        bulk: DeadLetterArgs,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let deletions of a target that was renamed ask it by its new name.
    Retarget(retarget::Args),
    /// Discard dead letters: their rows stay marked, and nothing more is deleted.
    #[command(after_help = BULK)]
    Discard {
        #[command(flatten)]
        bulk: DeadLetterArgs,
        /// Why; recorded with the deletion.
        #[arg(long)]
        reason: String,
    },
}

const BULK: &str = "Examples:
  sexton dlq retry 01939d1c-…
  sexton dlq retry --target calendar --kind exhausted --dry-run
  sexton dlq retry --all --yes
  sexton dlq discard 01939d1c-… --reason 'calendar was closed'

Without ids the command asks first; without a terminal it needs --yes.";

#[derive(Debug, Clone, clap::Args)]
pub(super) struct DeadLetterFilter {
    /// Only of this resource.
    #[arg(long)]
    resource: Option<ResourceName>,
    /// Only those whose last failed attempt was at this target (`row`: the database).
    #[arg(long)]
    target: Option<String>,
    /// Only those of this kind.
    #[arg(long, value_name = "KIND")]
    kind: Option<DeadKind>,
    /// Only those that died longer ago, for example `2h`.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    older_than: Option<Duration>,
}

impl DeadLetterFilter {
    const fn is_empty(&self) -> bool {
        self.resource.is_none() && self.target.is_none() && self.kind.is_none() && self.older_than.is_none()
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct DeadLetterArgs {
    /// The dead letters.
    ids: Vec<DeletionId>,
    #[command(flatten)]
    filter: DeadLetterFilter,
    /// At most this many, the oldest first.
    #[arg(long)]
    limit: Option<u64>,
    /// All dead letters.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Only list the dead letters.
    #[arg(long)]
    dry_run: bool,
    /// Who does it.
    #[arg(long, default_value_t = open::default_user())]
    by: String,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// What is done with dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeadLetterAction {
    Retry,
    Discard,
}

impl DeadLetterAction {
    /// The word for it, in messages and in the ledger.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Discard => "discard",
        }
    }
}

pub(super) async fn run(path: &Path, command: DlqCommand) -> Result {
    match command {
        DlqCommand::List { filter, limit, json } => {
            let opened = open::installation(path).await?;
            let letters = find(&opened, Vec::new(), filter, Some(limit)).await?;
            print(&letters, Format::json_if(json))
        }
        DlqCommand::Show(args) => show::run(path, args).await,
        DlqCommand::Retarget(args) => retarget::run(path, args).await,
        DlqCommand::Retry { bulk, reason } => act(path, bulk, DeadLetterAction::Retry, reason.as_deref()).await,
        DlqCommand::Discard { bulk, reason } => act(path, bulk, DeadLetterAction::Discard, Some(&reason)).await,
    }
}

async fn find(
    opened: &Installation,
    ids: Vec<DeletionId>,
    filter: DeadLetterFilter,
    limit: Option<u64>,
) -> Result<Vec<DeadLetter>> {
    let DeadLetterFilter { resource, target, kind, older_than } = filter;
    let filter = Filter { resource, target, kind, older_than, ids, limit };
    Ok(opened.ledger.dead_letters(&opened.db.conn, &filter).await?)
}

fn print(letters: &[DeadLetter], format: Format) -> Result {
    if format == Format::Json {
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

async fn act(path: &Path, bulk: DeadLetterArgs, action: DeadLetterAction, reason: Option<&str>) -> Result {
    let verb = action.as_str();
    if reason.is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Error::Usage("--reason must say something".to_owned()));
    }
    if bulk.ids.is_empty() && bulk.filter.is_empty() && bulk.limit.is_none() && !bulk.all {
        return Err(Error::Usage(format!("say which dead letters to {verb}: ids, a filter, or --all")));
    }
    let opened = open::installation(path).await?;
    let letters = find(&opened, bulk.ids.clone(), bulk.filter.clone(), bulk.limit).await?;
    // A filter beside ids may leave out an id. Without one, each id must be that of a dead letter.
    if bulk.filter.is_empty() && bulk.limit.is_none() {
        ensure_all_dead(&opened, &bulk.ids, &letters).await?;
    }
    if bulk.dry_run {
        print(&letters, Format::json_if(bulk.json))?;
        eprintln!("sexton: would {verb} {} dead letters", letters.len());
        return Ok(());
    }
    if bulk.ids.is_empty() && !bulk.yes && !letters.is_empty() {
        confirm(&format!("{verb} {} dead letters", letters.len()))?;
    }
    let ids: Vec<_> = letters.iter().map(|letter| letter.id).collect();
    let operator = Operator { who: &bulk.by, reason };
    let mut done = Vec::new();
    // In batches: one transaction over a hundred thousand rows would lock all of them until it ends.
    for batch in ids.chunks(500) {
        let changed = match action {
            DeadLetterAction::Retry => opened.ledger.retry_dead(&opened.db, batch, &operator).await?,
            DeadLetterAction::Discard => opened.ledger.discard_dead(&opened.db, batch, &operator).await?,
        };
        done.extend(changed);
    }
    report(&done, action, Format::json_if(bulk.json))
}

async fn ensure_all_dead(opened: &Installation, ids: &[DeletionId], letters: &[DeadLetter]) -> Result {
    for id in ids {
        if !letters.iter().any(|letter| letter.id == *id) {
            let state = opened.ledger.record(&opened.db.conn, *id).await?;
            let state = state.map_or_else(|| "does not exist".to_owned(), |record| format!("is {}", record.state));
            return Err(Error::NotFound(format!("deletion {id} {state}, not dead; nothing was changed")));
        }
    }
    Ok(())
}

#[derive(Debug, Serialize)]
struct DeadLetterLine {
    id: String,
    action: &'static str,
}

fn report(done: &[DeletionId], action: DeadLetterAction, format: Format) -> Result {
    if format == Format::Json {
        let line = |id: &DeletionId| DeadLetterLine { id: id.to_string(), action: action.as_str() };
        return done.iter().map(line).try_for_each(|line| output::json(&line));
    }
    match action {
        DeadLetterAction::Retry => println!("{} dead letters are due again", done.len()),
        DeadLetterAction::Discard => println!("{} dead letters are discarded", done.len()),
    }
    Ok(())
}
