//! `sexton show`: everything about one deletion.

use std::path::Path;

use sexton_core::{
    ids::DeletionId,
    ledger::{Record, RowOutcome},
    outcome::Answer,
};

use super::{
    error::{Error, Result},
    open, output,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sexton show 01939d1c-…\n  sexton show 01939d1c-… --json")]
pub(super) struct Args {
    /// The deletion.
    id: DeletionId,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let opened = open::installation(path).await?;
    let record = opened.ledger.record(&opened.db.conn, args.id).await?;
    let Some(record) = record else {
        return Err(Error::NotFound(format!("there is no deletion {}", args.id)));
    };
    if args.json {
        return output::json(&record);
    }
    print(&record);
    Ok(())
}

pub(super) fn print(record: &Record) {
    let line = |name: &str, value: &str| println!("{name:<14}{}", value.escape_debug());
    let optional = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            line(name, value);
        }
    };
    line("deletion", &record.id.to_string());
    line("row", &format!("{} {}", record.resource, record.key.as_deref().unwrap_or("(key not kept)")));
    line("state", &state(record));
    line("requested", &format!("{} by {}", record.requested_at, record.requested_by));
    optional("reason", &record.reason);
    optional("due", &record.run_at);
    optional("first call", &record.called_at);
    optional("finished", &record.finished_at);
    match record.row_outcome {
        Some(RowOutcome::Deleted) => {
            line("row went", "Sexton deleted it in the transaction that finished the deletion")
        }
        Some(RowOutcome::AlreadyGone) => line("row went", "it was gone already; Sexton did not delete it"),
        Some(RowOutcome::Kept) => line("row", RowOutcome::Kept.as_str()),
        None => {}
    }
    if let Some(children) = record.children_deleted.filter(|children| *children > 0) {
        line("children", &format!("{children} went with it"));
    }
    line("attempts", &format!("{} counted, {} claims, {} rescues", record.attempts, record.fence, record.rescues));
    optional("last error", &record.last_error);
    for target in &record.targets {
        let answer = match record.confirmations.get(target) {
            None => "not confirmed".to_owned(),
            Some(confirmation) => {
                let verified = if confirmation.verified { ", verified" } else { "" };
                match confirmation.answer {
                    Answer::Deleted { status } => {
                        format!("confirmed {}: deleted ({status}){verified}", confirmation.at)
                    }
                    Answer::Gone { status } if confirmation.doubted => {
                        format!("said \"gone\" ({status}) {}, which is still to be judged", confirmation.at)
                    }
                    Answer::Gone { status } => {
                        format!("confirmed {}: already gone ({status}){verified}", confirmation.at)
                    }
                    Answer::Skipped => format!("confirmed {}: never synced, nothing to call", confirmation.at),
                }
            }
        };
        line("target", &format!("{target}: {answer}"));
    }
    for attempt in &record.failed_attempts {
        let status = attempt.status.map(|status| format!(" {status}")).unwrap_or_default();
        let what = format!("{} {} {}{status} {}", attempt.at, attempt.target, attempt.outcome, attempt.reason);
        line("failed", &format!("{what} after {} ms on {}", attempt.duration_ms, attempt.worker));
    }
    for action in &record.actions {
        let reason = action.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        line("action", &format!("{} {} by {}{reason}", action.at, action.action, action.who));
    }
}

fn state(record: &Record) -> String {
    match (&record.dead_kind, &record.cancelled_by, &record.worker) {
        (Some(kind), _, _) => format!("dead: {kind}, since {}", record.dead_at.as_deref().unwrap_or_default()),
        (_, Some(by), _) => format!("cancelled: {}", by.as_str()),
        (_, _, Some(worker)) => format!("running on {worker}"),
        _ => record.state.to_string(),
    }
}
