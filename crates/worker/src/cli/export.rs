//! `sexton export`: finished deletions as JSON lines, for an audit.

use std::{
    io::{self, BufWriter, Write, stdout},
    path::{Path, PathBuf},
};

use sexton_core::{
    ids::ResourceName,
    ledger::{FinishedBetween, Moment, Record},
};

use super::{
    error::{Error, Result},
    open::{self, Installation},
    output,
};

/// Deletions read at once.
const PAGE: usize = 500;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sexton export --since 7d > audit.jsonl
  sexton export --since 2026-01-01 --until 2026-02-01 --resource block --output january.jsonl

One JSON object per line, with the field names of `show --json`, in the order in which the deletions finished: at --since
or later, and before --until. For exports without gaps, begin each where the last one ended, and end it a minute in the
past: a deletion that is finishing now may be committed a moment later.")]
pub(super) struct Args {
    /// Finished at this time or later: RFC 3339, or an age such as `7d`.
    #[arg(long, value_name = "TIME")]
    since: Moment,
    /// Finished before this time; now by default.
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true)]
    until: Moment,
    /// Only of this resource.
    #[arg(long)]
    resource: Option<ResourceName>,
    /// Write to this file, which appears when it is complete.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let opened = open::installation(path).await?;
    let since = moment(&opened, "--since", &args.since).await?;
    let until = moment(&opened, "--until", &args.until).await?;
    let between = FinishedBetween { since, until, resource: args.resource };
    let Some(file) = args.output else {
        return match write(&opened, &between, &mut BufWriter::new(stdout())).await {
            // The reader has closed the pipe.
            Err(ExportFailure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(failure) => Err(failure.into()),
            Ok(_) => Ok(()),
        };
    };
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let cannot = |error: io::Error| Error::Failed(anyhow::anyhow!("cannot write {}: {error}", file.display()));
    let mut draft = tempfile::NamedTempFile::new_in(dir).map_err(cannot)?;
    let written = match write(&opened, &between, &mut BufWriter::new(draft.as_file_mut())).await {
        Err(ExportFailure::Write(error)) => return Err(cannot(error)),
        result => result?,
    };
    draft.as_file().sync_all().map_err(cannot)?;
    draft.persist(&file).map_err(|error| cannot(error.error))?;
    eprintln!("sexton: wrote {written} deletions to {}", file.display());
    Ok(())
}

async fn moment(opened: &Installation, option: &str, moment: &Moment) -> Result<String> {
    let found = opened.ledger.moment(&opened.db, moment).await?;
    found.ok_or_else(|| Error::Usage(format!("{option}: there is no such time")))
}

enum ExportFailure {
    Write(io::Error),
    Other(Error),
}

impl From<ExportFailure> for Error {
    fn from(failure: ExportFailure) -> Self {
        match failure {
            ExportFailure::Write(error) => error.into(),
            ExportFailure::Other(error) => error,
        }
    }
}

/// Writes page by page and returns how many deletions it wrote.
async fn write(
    opened: &Installation,
    between: &FinishedBetween,
    to: &mut impl Write,
) -> std::result::Result<u64, ExportFailure> {
    let (mut after, mut written) = (None, 0);
    loop {
        let page = opened.ledger.finished(&opened.db, between, after.as_ref(), PAGE).await;
        let (records, last) = page.map_err(|error| ExportFailure::Other(error.into()))?;
        for record in &records {
            line(record, to)?;
        }
        written += records.len() as u64;
        if records.len() < PAGE {
            to.flush().map_err(ExportFailure::Write)?;
            return Ok(written);
        }
        after = last;
    }
}

fn line(record: &Record, to: &mut impl Write) -> std::result::Result<(), ExportFailure> {
    let text = output::line(record).map_err(ExportFailure::Other)?;
    writeln!(to, "{text}").map_err(ExportFailure::Write)
}
