//! Writing the lines, page by page.

use std::{
    io::{self, BufWriter, Write, stdout},
    path::Path,
};

use sexton_core::ledger::{FinishedBetween, Record};

use super::Installation;
use crate::cli::{
    error::{Error, Result},
    output,
};

/// Deletions read at once.
const PAGE: usize = 500;

/// Writes to standard output. False if its reader has closed the pipe: nothing more is wanted.
pub(super) async fn to_stdout(opened: &Installation, between: &FinishedBetween) -> Result<bool> {
    match write(opened, between, &mut BufWriter::new(stdout())).await {
        Err(ExportFailure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(failure) => Err(failure.into()),
        Ok(_) => Ok(true),
    }
}

/// Writes a file that appears once it is complete.
pub(super) async fn to_file(opened: &Installation, between: &FinishedBetween, file: &Path) -> Result {
    let mut written = 0;
    replace(file, async |draft| {
        written = write(opened, between, &mut BufWriter::new(draft)).await?;
        Ok(())
    })
    .await?;
    eprintln!("sexton: wrote {written} deletions to {}", file.display());
    Ok(())
}

/// Replaces a file by what `write` writes, at once and on disk; if it fails, the old file stays.
pub(super) async fn replace(
    file: &Path,
    write: impl AsyncFnOnce(&mut std::fs::File) -> std::result::Result<(), ExportFailure>,
) -> Result {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let cannot = |error: io::Error| Error::Failed(anyhow::anyhow!("cannot write {}: {error}", file.display()));
    let mut draft = tempfile::NamedTempFile::new_in(dir).map_err(cannot)?;
    match write(draft.as_file_mut()).await {
        Err(ExportFailure::Write(error)) => return Err(cannot(error)),
        written => written?,
    }
    draft.as_file().sync_all().map_err(cannot)?;
    draft.persist(file).map(drop).map_err(|error| cannot(error.error))
}

pub(super) enum ExportFailure {
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
        let page = opened.ledger.finished_between(&opened.db, between, after.as_ref(), PAGE).await;
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
