//! `sexton restore`: takes requests back.

use std::path::Path;

use serde::Serialize;
use sexton_core::{
    ids::DeletionId,
    restore::{self, MarkedRows, Restored},
    store::Store,
};

use super::{
    error::{Error, Result},
    open,
    output::{self, Format},
};
use crate::requests::{Restore, restore_deletions};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sexton restore 01939d1c-… --reason 'removed by mistake'
  sexton restore block 42                    # by resource and key
  sexton restore 01939d1c-… --batch          # with all others of its request, or nothing
  sexton restore block 42 --leave-marked     # only end the deletion: the row stays removed, and its twins stay")]
pub(super) struct Args {
    /// The deletion, or a resource and a key.
    #[arg(required = true, num_args = 1..=2, value_names = ["ID | RESOURCE", "KEY"], allow_negative_numbers = true)]
    what: Vec<String>,
    /// Restore all deletions of the same request: all of them, or none.
    #[arg(long)]
    batch: bool,
    /// Cancel the deletion also where the row would stay marked. Without it such a restore is refused.
    #[arg(long)]
    leave_marked: bool,
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
struct RestoreLine {
    id: String,
    resource: String,
    key: String,
    row_restored: bool,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let opened = open::installation(path).await?;
    let store = open::store(path, &opened).await?;
    let id = find(&store, &args.what).await?;
    let marked = if args.leave_marked { MarkedRows::Stay } else { MarkedRows::Refuse };
    let what = Restore { id, batch: args.batch, marked, who: &args.by, reason: args.reason.as_deref() };
    let restored = match restore_deletions(&store, &what).await {
        Ok(restored) => restored,
        Err(restore::Error::Database(error)) => return Err(error.into()),
        Err(error @ restore::Error::StillMarked { .. }) => {
            return Err(Error::NotFound(format!("{error}, or use --leave-marked; nothing was restored")));
        }
        Err(error) => return Err(Error::NotFound(format!("{error}; nothing was restored"))),
    };
    let format = Format::json_if(args.json);
    restored.into_iter().try_for_each(|one| report(one, format))
}

async fn find(store: &Store, what: &[String]) -> Result<DeletionId> {
    let (resource, key) = match what {
        [resource, key] => (resource, key),
        other => {
            let text = other.first().map(String::as_str).unwrap_or_default();
            return text.parse().map_err(|_| Error::Usage(format!("`{text}` is not the id of a deletion")));
        }
    };
    let Some(table) = store.catalog.by_name(resource) else {
        return Err(Error::Usage(format!("there is no resource `{resource}`")));
    };
    let key = table.parse_key(key).map_err(|error| Error::Usage(error.to_string()))?;
    let found = store.ledger.find(&store.db.conn, resource, &key.to_string()).await?;
    found.ok_or_else(|| Error::NotFound(format!("{resource} has no deletion of the row with the key `{key}`")))
}

fn report(restored: Restored, format: Format) -> Result {
    let Restored { id, resource, key, row_restored, .. } = restored;
    let line = RestoreLine { id: id.to_string(), resource, key, row_restored };
    if format == Format::Json {
        return output::json(&line);
    }
    let row = if line.row_restored {
        "is live again"
    } else {
        "was not brought back: it is gone, was live already, or stays marked"
    };
    println!("restored {}: {} {} {row}", line.id, line.resource, line.key.escape_debug());
    Ok(())
}
