//! `sexton restore`: taking a request back.

use std::path::Path;

use serde::Serialize;
use sexton_core::{
    ids::DeletionId,
    ledger::Action,
    removal::{RestoreError, restore},
};

use super::{
    error::{Error, Result},
    open, output,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sexton restore 01939d1c-… --reason 'removed by mistake'")]
pub(super) struct Args {
    /// The deletion.
    id: DeletionId,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
    /// Who restores.
    #[arg(long, default_value_t = open::default_user())]
    by: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    id: String,
    resource: String,
    key: String,
    row_restored: bool,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let opened = open::ledger(path).await?;
    let catalog = open::catalog(path, &opened).await?;
    let transaction = opened.db.begin().await?;
    let restored = match restore(&transaction, &opened.ledger, &catalog, args.id).await {
        Ok(restored) => restored,
        Err(RestoreError::Database(error)) => return Err(error.into()),
        Err(error) => return Err(Error::NotFound(error.to_string())),
    };
    let action = Action { who: &args.by, action: "restore", reason: args.reason.as_deref() };
    opened.ledger.record_action(&transaction, &action, &[args.id]).await?;
    transaction.commit().await?;
    let line = Line {
        id: restored.id.to_string(),
        resource: restored.resource,
        key: restored.key,
        row_restored: restored.row_restored,
    };
    if args.json {
        return output::json(&line);
    }
    let row = if line.row_restored { "is live again" } else { "was not ours to bring back: it changed or is gone" };
    println!("restored {}: {} {} {row}", line.id, line.resource, line.key.escape_debug());
    Ok(())
}
