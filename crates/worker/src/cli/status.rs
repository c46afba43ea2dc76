//! `sexton status`.

use std::path::Path;

use super::{error::Result, open, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sexton status\n  sexton status --json | jq .oldest_due_ms")]
pub(super) struct Args {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let opened = open::ledger(path).await?;
    let status = opened.ledger.status(&opened.db.conn).await?;
    if args.json {
        return output::json(&status);
    }
    let count = |(name, count): (&String, &i64)| [name.clone(), count.to_string()];
    output::table(["STATE", "DELETIONS"], &status.states.iter().map(count).collect::<Vec<_>>());
    if !status.dead.is_empty() {
        println!();
        output::table(["DEAD LETTERS", "DELETIONS"], &status.dead.iter().map(count).collect::<Vec<_>>());
    }
    if !status.lanes.is_empty() {
        println!();
        let known = opened.config.lanes();
        let rows: Vec<_> = status
            .lanes
            .iter()
            .map(|lane| {
                let name = if known.contains(&lane.lane) {
                    lane.lane.clone()
                } else {
                    format!("{} (not configured)", lane.lane)
                };
                let oldest = lane.oldest_due_ms.map_or_else(|| "-".to_owned(), output::age);
                [name, lane.due.to_string(), lane.later.to_string(), lane.running.to_string(), oldest]
            })
            .collect();
        output::table(["LANE", "DUE", "LATER", "RUNNING", "OLDEST DUE FOR"], &rows);
    }
    Ok(())
}
