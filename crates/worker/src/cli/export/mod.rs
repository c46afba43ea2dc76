//! `sexton export`: finished deletions as JSON lines, for an audit.

mod cursor;
mod write;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sexton_core::{
    ids::ResourceName,
    ledger::{FinishedBetween, Moment},
};
use tokio::time::sleep;

use self::{
    cursor::CursorFile,
    write::{to_file, to_stdout},
};
use super::{
    error::{Error, Result},
    interrupt::Interrupt,
    open::{self, Installation},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sexton export --since 7d > audit.jsonl
  sexton export --since 2026-01-01 --until 2026-02-01 --resource block --output january.jsonl
  sexton export --since 2026-01-01 --cursor audit.cursor >> audit.jsonl
  sexton export --since 2026-01-01 --cursor audit.cursor --follow | ship-to-archive

One JSON object per line, with the field names of `show --json`, in the order in which the deletions finished: at
--since or later, and before --until. Exports miss nothing if each begins where the one before ended; --cursor takes
care of it.
A deletion bears the time at which it was written, also if its transaction is committed later. So an export first waits
for the transactions that may still finish deletions of its time.")]
pub(super) struct Args {
    /// Finished at this time or later: RFC 3339, or an age such as `7d`.
    #[arg(long, value_name = "TIME", required_unless_present = "cursor")]
    since: Option<Moment>,
    /// Finished before this time; now by default.
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true)]
    until: Moment,
    /// Only of this resource.
    #[arg(long)]
    resource: Option<ResourceName>,
    /// Write to this file, which appears when it is complete.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Begin where the last export with this file ended (else at --since), and write to it where this one ends.
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,
    /// Continue with deletions that finish later, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["until", "output"])]
    follow: bool,
    /// How long to wait for transactions that may still finish deletions before --until.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "1m")]
    wait: Duration,
}

/// Between two looks with `--follow`, and between two looks at transactions that are waited for.
const PAUSE: Duration = Duration::from_secs(1);
const SHORT_PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let opened = open::installation(path).await?;
    let cursor = args.cursor.as_deref().map(CursorFile::new);
    let begun = match &cursor {
        Some(cursor) => cursor.read(&opened).await?,
        None => None,
    };
    let since = match (begun, &args.since) {
        (Some(since), _) => since,
        (None, Some(since)) => moment(&opened, "--since", since).await?,
        (None, None) => {
            let file = args.cursor.as_deref().unwrap_or(Path::new("")).display().to_string();
            return Err(Error::Usage(format!("--cursor: there is no {file} yet; say with --since where to begin")));
        }
    };
    let until = moment(&opened, "--until", &args.until).await?;
    let mut between = FinishedBetween { since, until, resource: args.resource.clone() };
    if args.follow {
        return follow(&opened, between, cursor.as_ref(), args.wait).await;
    }
    if let Some(open) = wait_for_writers(&opened, &between.until, args.wait).await? {
        return Err(Error::Failed(anyhow::anyhow!(open)));
    }
    match &args.output {
        Some(file) => to_file(&opened, &between, file).await?,
        None if !to_stdout(&opened, &between).await? => return Ok(()),
        None => {}
    }
    // What ends before it began leaves the cursor where it is.
    between.since = between.since.max(between.until);
    match cursor {
        Some(cursor) => cursor.write(&between.since).await,
        None => Ok(()),
    }
}

/// Exports again and again, each time from where the last one ended.
async fn follow(
    opened: &Installation,
    mut between: FinishedBetween,
    cursor: Option<&CursorFile<'_>>,
    wait: Duration,
) -> Result {
    let mut interrupt = Interrupt::listen("round")?;
    loop {
        let waited = tokio::select! {
            biased;
            () = interrupt.second() => return Ok(()),
            waited = wait_for_writers(opened, &between.until, wait) => waited?,
        };
        match waited {
            None => {
                if !to_stdout(opened, &between).await? {
                    return Ok(());
                }
                // The database's clock may have been set back.
                between.since = between.since.max(between.until);
                if let Some(cursor) = cursor {
                    cursor.write(&between.since).await?;
                }
                between.until = opened.ledger.time_ago(&opened.db, Duration::ZERO).await?;
            }
            // What is waited for comes with a later round.
            Some(open) => eprintln!("sexton: still waiting: {open}"),
        }
        tokio::select! {
            () = interrupt.first.cancelled() => return Ok(()),
            () = sleep(PAUSE) => {}
        }
    }
}

/// Waits until no transaction is open that may have finished a deletion before `until`. Says which are open after
/// `limit`.
async fn wait_for_writers(opened: &Installation, until: &str, limit: Duration) -> Result<Option<String>> {
    let begun = Instant::now();
    let mut writers = opened.ledger.writers_of_finished(&opened.db, until).await?;
    while !writers.is_empty() {
        if begun.elapsed() >= limit {
            let who = writers.values().map(|process| match process {
                Some(process) => format!("the one of the server's process {process}"),
                None => "a prepared one (pg_prepared_xacts)".to_owned(),
            });
            let who = who.collect::<Vec<_>>().join(", ");
            return Ok(Some(format!(
                "after {limit:?}, transactions are open that may finish deletions before {until}: {who}; end them, wait \
                 longer (--wait), or export until a time before they began"
            )));
        }
        sleep(SHORT_PAUSE).await;
        let open = opened.ledger.writers_of_finished(&opened.db, until).await?;
        // One that is prepared meanwhile has another name then.
        writers = open.into_iter().filter(|(name, process)| writers.contains_key(name) || process.is_none()).collect();
    }
    Ok(None)
}

async fn moment(opened: &Installation, option: &str, moment: &Moment) -> Result<String> {
    let found = opened.ledger.moment(&opened.db, moment).await?;
    found.ok_or_else(|| Error::Usage(format!("{option}: there is no such time")))
}
