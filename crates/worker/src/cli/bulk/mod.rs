//! `sexton request --where` and `--keys-from`: phase 1 for any number of rows, one bounded transaction a batch.
//!
//! A row that the database refuses to mark (a trigger, a constraint) keeps no other from it: the batch is halved until
//! the row is alone, which is then named and counted.
//!
//! All deletions of a request have one batch id, which is printed before anything changes. If the command ends early,
//! the same command with `--batch ID` continues it. A row that was requested under that id is not requested a second
//! time, and not reported missing.

mod args;
mod dry_run;
mod lines;
mod missing;
mod source;

use serde::Serialize;
use sexton_core::{
    catalog::Table,
    db::{self, kill_point},
    ids::BatchId,
    key::Key,
    ledger::Ledger,
    soft_remove::{DeletionRequest, Requested, bulk, soft_remove},
    store::Store,
};
use tokio_util::sync::CancellationToken;

pub(super) use self::args::BulkArgs;
use self::{missing::fail_if_missing, source::RowSource};
use super::{
    error::{Error, Result},
    interrupt::Interrupt,
    output::{self, Format},
    progress::ProgressDisplay,
};
use crate::requests::{Hints, missing_keys};

/// This number of rows in sequence, refused for a reason that is likely to hold for all, ends the command.
const MOST_GENERAL: usize = 3;

/// How many keys without a row, and how many refused rows, are named on standard error; the others are only counted.
const MOST_NAMED: u64 = 20;

/// The figures of a batch, and at the end those of all.
#[derive(Debug, Default, Serialize)]
struct BulkLine {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    summary: bool,
    batch_id: BatchId,
    /// Rows that have an open or completed deletion now.
    rows: u64,
    /// Of these, those that had none before.
    created: u64,
    /// Rows that this request had done before it was interrupted.
    done_before: u64,
    /// Keys without a row: how many in all, and in a batch which.
    missing: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_keys: Vec<String>,
    /// Rows that the database refused to mark: how many in all, and in a batch which.
    refused: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused_rows: Vec<RefusedRowLine>,
}

/// A row that the database refused to mark.
#[derive(Debug, Serialize)]
struct RefusedRowLine {
    key: String,
    error: String,
}

impl BulkLine {
    fn add(&mut self, batch: &Self) {
        self.rows += batch.rows;
        self.created += batch.created;
        self.done_before += batch.done_before;
        self.missing += batch.missing;
        self.refused += batch.refused;
    }

    /// Rows that are dealt with, in whatever way.
    const fn rows_seen(&self) -> u64 {
        self.rows + self.done_before + self.missing + self.refused
    }
}

/// What all batches have in common.
pub(super) struct BulkRequest<'a> {
    pub(super) store: &'a Store,
    pub(super) table: &'a Table,
    pub(super) request: DeletionRequest,
    pub(super) hints: &'a Hints,
    pub(super) format: Format,
}

/// How the batches are made.
struct BatchPlan {
    /// Rows in one batch.
    size: usize,
    /// Whether the first refused row ends the command.
    fail_fast: bool,
    /// Whether an earlier command has requested rows under the same batch id.
    is_resumed: bool,
    /// Cancelled when the command is to end after the current batch.
    stop: CancellationToken,
}

pub(super) async fn run(mut bulk: BulkRequest<'_>, args: BulkArgs) -> Result {
    let BulkRequest { store, table, format, .. } = bulk;
    let size = args.batch_size as usize;
    let (mut source, total) = source::open(&store.db, table, &args).await?;
    if args.dry_run {
        return dry_run::run(store, table, source, size, format).await;
    }
    let rows = total.filter(|rows| *rows > 0 && !args.yes);
    if let (RowSource::Condition { .. }, Some(rows)) = (&source, rows) {
        super::confirm::confirm(&format!("request the deletion of {rows} rows of {}", table.name))?;
    }
    let batch = args.batch.unwrap_or_default();
    bulk.request.batch = batch;
    let mut all = BulkLine { batch_id: batch, ..BulkLine::default() };
    if args.batch.is_some() && !store.ledger.knows_batch(&store.db.conn, batch).await? {
        eprintln!("sexton: warning: nothing was requested under batch {batch} so far");
    }
    let mut interrupt = Interrupt::listen("batch")?;
    eprintln!("sexton: batch {batch}; if this ends early, continue with --batch {batch}");
    let progress = ProgressDisplay::of_rows(total);
    let plan =
        BatchPlan { size, fail_fast: args.fail_fast, is_resumed: args.batch.is_some(), stop: interrupt.first.clone() };
    let work = bulk.request_batches(&mut source, &plan, &progress, &mut all);
    let result = tokio::select! {
        result = work => result,
        () = interrupt.second() => Err(Error::Failed(anyhow::anyhow!("ended at once by a second signal"))),
    };
    drop(progress);
    result.map_err(|error| resumable(error, batch, all.rows + all.done_before))?;
    bulk.report_all(all)
}

/// The error with what was done before it, and the command that continues.
fn resumable(error: Error, batch: BatchId, done: u64) -> Error {
    let more = format!("{done} rows of batch {batch} are done; continue with:\n  {}", resume_command(batch));
    match error {
        Error::Usage(message) => Error::Usage(format!("{message}\n{more}")),
        Error::NotFound(message) => Error::NotFound(format!("{message}\n{more}")),
        failed @ Error::Failed(_) => Error::Failed(anyhow::anyhow!("{failed}\n{more}")),
    }
}

/// This command as one would type it, with the batch's id.
fn resume_command(batch: BatchId) -> String {
    let mut words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if !words.iter().any(|word| word == "--batch" || word.starts_with("--batch=")) {
        words.extend(["--batch".to_owned(), batch.to_string()]);
    }
    words.insert(0, "sexton".to_owned());
    shlex::try_join(words.iter().map(String::as_str))
        .unwrap_or_else(|_| format!("the same command and --batch {batch}"))
}

/// Whether this request may have requested rows of a batch already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    Possible,
    Impossible,
}

/// What the parts of a batch have in common.
struct BatchContext<'p> {
    source: &'p RowSource,
    repeats: Repeats,
    fail_fast: bool,
}

impl BulkRequest<'_> {
    async fn request_batches(
        &self,
        source: &mut RowSource,
        plan: &BatchPlan,
        progress: &ProgressDisplay,
        all: &mut BulkLine,
    ) -> Result {
        let mut repeats = if plan.is_resumed { Repeats::Possible } else { Repeats::Impossible };
        while let Some(keys) = source.next(&self.store.db, self.table, plan.size).await? {
            if plan.stop.is_cancelled() {
                return Err(Error::Failed(anyhow::anyhow!("interrupted")));
            }
            let mut line = BulkLine { batch_id: self.request.batch, ..BulkLine::default() };
            let mut requested = Vec::new();
            let part = BatchContext { source, repeats, fail_fast: plan.fail_fast };
            let result = self.request_what_can_be(&part, keys, &mut line, &mut requested).await;
            // A file may have a key twice, and its row may be gone by the second time.
            if matches!(source, RowSource::Keys(_)) {
                repeats = Repeats::Possible;
            }
            self.hints.push(&requested).await;
            all.add(&line);
            self.report_batch(&line, all)?;
            // What was committed before is told and hinted at all the same.
            result?;
            progress.advance(line.rows_seen(), all.rows + all.done_before);
        }
        Ok(())
    }

    /// Requests a batch in one transaction, or in parts where the database refuses rows of it.
    async fn request_what_can_be(
        &self,
        part: &BatchContext<'_>,
        keys: Vec<Key>,
        all: &mut BulkLine,
        requested: &mut Vec<Requested>,
    ) -> Result {
        let mut parts = vec![keys];
        let mut general = 0;
        while let Some(mut keys) = parts.pop() {
            let error = match self.request_batch(part.source, keys.clone(), part.repeats).await {
                Ok((line, newly)) => {
                    general = 0;
                    all.add(&line);
                    all.missing_keys.extend(line.missing_keys);
                    requested.extend(newly);
                    continue;
                }
                Err(error) => error,
            };
            let refusal = error.refusal().filter(|refusal| !part.fail_fast && !refusal.is_contention());
            let Some(refusal) = refusal else { return Err(error.into()) };
            match &keys[..] {
                [key] => {
                    general = if refusal.is_general() { general + 1 } else { 0 };
                    if general == MOST_GENERAL {
                        return Err(error.into());
                    }
                    all.refused += 1;
                    all.refused_rows.push(RefusedRowLine { key: key.to_string(), error: error.to_string() });
                }
                many => {
                    let second = keys.split_off(many.len() / 2);
                    parts.extend([second, keys]);
                }
            }
        }
        Ok(())
    }

    /// Requests one batch in one transaction.
    async fn request_batch(
        &self,
        source: &RowSource,
        mut keys: Vec<Key>,
        repeats: Repeats,
    ) -> std::result::Result<(BulkLine, Vec<Requested>), db::Error> {
        let (ledger, name): (&Ledger, _) = (&self.store.ledger, self.table.name.as_str());
        let mut line = BulkLine { batch_id: self.request.batch, ..BulkLine::default() };
        let transaction = self.store.db.begin_on_rows().await?;
        if repeats == Repeats::Possible {
            let before = ledger.keys_of_batch(&transaction, self.request.batch, name, &keys).await?;
            line.done_before = before.len() as u64;
            keys.retain(|key| !before.contains(&key.to_string()));
        }
        if let RowSource::Condition { condition, .. } = source {
            keys = bulk::lock_live(&transaction, self.table, condition, &keys).await?;
        }
        let requested = soft_remove(&transaction, self.store, self.table, &keys, &self.request).await?;
        kill_point("bulk::before");
        transaction.commit().await.map_err(db::Error::from)?;
        kill_point("bulk::committed");
        line.rows = requested.len() as u64;
        line.created = requested.iter().filter(|one| one.created).count() as u64;
        line.missing_keys = missing_keys(&keys, &requested);
        line.missing = line.missing_keys.len() as u64;
        Ok((line, requested))
    }

    fn report_batch(&self, line: &BulkLine, all: &BulkLine) -> Result {
        let left = |before: u64| usize::try_from(MOST_NAMED.saturating_sub(before)).unwrap_or_default();
        for key in line.missing_keys.iter().take(left(all.missing - line.missing)) {
            eprintln!("sexton: {} has no row with the key `{}`", self.table.name, output::clean(key));
        }
        for RefusedRowLine { key, error } in line.refused_rows.iter().take(left(all.refused - line.refused)) {
            let (key, error) = (output::clean(key), output::clean(error));
            eprintln!("sexton: {} {key} is not requested, the database refuses it: {error}", self.table.name);
        }
        if self.format == Format::Json { output::json(line) } else { Ok(()) }
    }

    fn report_all(&self, mut all: BulkLine) -> Result {
        all.summary = true;
        if self.format == Format::Json {
            output::json(&all)?;
        } else {
            let open_before = all.rows - all.created;
            let mut notes = String::new();
            if open_before > 0 {
                notes.push_str(&format!(", {open_before} of them were requested already"));
            }
            if all.done_before > 0 {
                notes.push_str(&format!("; {} had been done before", all.done_before));
            }
            println!("{} rows of {} are requested{notes} (batch {})", all.rows, self.table.name, all.batch_id);
        }
        match all.refused {
            0 => fail_if_missing(self.table, all.missing, "the others are requested"),
            n => Err(Error::Failed(anyhow::anyhow!(
                "the database refused {n} rows of {}, and {} keys have no row; the others are requested",
                self.table.name,
                all.missing
            ))),
        }
    }
}
