//! The file that says where an export ended.

use std::{fs, io, io::Write, path::Path};

use sexton_core::ledger::Moment;

use super::{
    Installation,
    write::{ExportFailure, replace},
};
use crate::cli::error::{Error, Result};

/// A file with one line: the time, as the database writes it, up to which everything was exported.
#[derive(Debug)]
pub(super) struct CursorFile<'a>(&'a Path);

impl<'a> CursorFile<'a> {
    pub(super) const fn new(file: &'a Path) -> Self {
        Self(file)
    }

    /// Where to begin; none if the file is not there yet.
    pub(super) async fn read(&self, opened: &Installation) -> Result<Option<String>> {
        let file = self.0.display();
        let text = match fs::read_to_string(self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::Usage(format!("--cursor: cannot read {file}: {error}"))),
        };
        // The database reads what it wrote. It would also take words such as `now` for a time.
        let is_time = text.starts_with(|first: char| first.is_ascii_digit());
        let moment = Moment::At(text.trim_end().to_owned());
        match if is_time { opened.ledger.moment(&opened.db, &moment).await? } else { None } {
            Some(time) => Ok(Some(time)),
            None => Err(Error::Usage(format!("--cursor: {file} is no file that an export has written"))),
        }
    }

    /// Writes where the next export begins. A crash before it makes that one repeat deletions, not miss any.
    pub(super) async fn write(&self, time: &str) -> Result {
        replace(self.0, async |draft| writeln!(draft, "{time}").map_err(ExportFailure::Write)).await
    }
}
