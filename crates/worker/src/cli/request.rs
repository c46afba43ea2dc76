//! `sexton request`: phase 1 from the command line.

use std::{path::Path, time::Duration};

use serde::Serialize;
use sexton_core::{ids::ResourceName, soft_remove::DeletionRequest};

use super::{
    bulk,
    error::{Error, Result},
    open,
    output::{self, Format},
};
use crate::requests::{self, Hints};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sexton request block 42 43 --reason 'ticket 4711'
  sexton request booking '[\"tenant-7\", 42]' --after 1h    # a composite key is a JSON array

  sexton request block --where \"calendar_id = 'c7' and starts_at < now()\" --dry-run      # then with --yes
  sexton request block --keys-from keys.txt --reason 'account 99 closed'

With KEYs all rows are removed, or none: a key without a row ends the command with exit code 3.
With --where or --keys-from, --batch-size rows are one transaction. Keys without a row are reported and give exit code
3; the others are requested. A command that ended early is continued with --batch ID.")]
pub(super) struct Args {
    /// The resource, as in [resources.NAME].
    resource: ResourceName,
    /// The rows' keys.
    #[arg(required_unless_present_any = ["condition", "keys_from"], value_name = "KEY", allow_negative_numbers = true)]
    keys: Vec<String>,
    #[command(flatten)]
    bulk: bulk::BulkArgs,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
    /// Who asks.
    #[arg(long, default_value_t = open::default_user())]
    by: String,
    /// Keep the deletions restorable for at least this long, for example `1h`.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
    after: Duration,
    /// Print one JSON object a deletion; with --where and --keys-from one a batch, and a summary.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct RequestLine<'r> {
    id: String,
    key: &'r str,
    created: bool,
    state: String,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let opened = open::installation(path).await?;
    let store = open::store(path, &opened).await?;
    let Some(table) = store.catalog.table(&args.resource) else {
        if opened.config.resources.contains_key(&args.resource) {
            return Err(Error::Usage(format!(
                "resource `{}` has no marker: its rows go when nothing references them any more; to request deletions, \
                 say how a removed row is marked, as in marker = {{ column = \"deleted_at\" }}",
                args.resource
            )));
        }
        let known: Vec<_> = store.catalog.tables().map(|table| table.name.to_string()).collect();
        let message = format!("there is no resource `{}`; configured are {}", args.resource, known.join(", "));
        return Err(Error::Usage(message));
    };
    let mut request = DeletionRequest::by(args.by);
    request.reason = args.reason;
    request.after = args.after;
    let queue = opened.hint_queue(path).await?;
    let hints = Hints::new(queue, opened.config.queue.window);
    request.notify = hints.are_off();
    if args.bulk.is_bulk() {
        let bulk =
            bulk::BulkRequest { store: &store, table, request, hints: &hints, format: Format::json_if(args.json) };
        return bulk::run(bulk, args.bulk).await;
    }
    let mut keys = Vec::new();
    for text in &args.keys {
        let key = table.parse_key(text).map_err(|error| Error::Usage(error.to_string()))?;
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let requested = requests::request_deletions(&store, table, &keys, &request).await?;
    hints.push(&requested).await;
    for one in &requested {
        let line =
            RequestLine { id: one.id.to_string(), key: &one.key, created: one.created, state: one.state.to_string() };
        if args.json {
            output::json(&line)?;
        } else {
            let note = if one.created { "" } else { "  (was requested already)" };
            println!("{}  {} {}{note}", line.id, args.resource, one.key.escape_debug());
        }
    }
    Ok(())
}
