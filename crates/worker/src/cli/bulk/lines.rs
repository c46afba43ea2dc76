//! Keys from a file or standard input, one a line, read only a few lines ahead.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader, Read, stdin},
    path::Path,
};

use sexton_core::{catalog::Table, key::Key};
use tokio::sync::mpsc::{Receiver, channel};

use crate::cli::error::{Error, Result};

/// No key is longer. The limit protects memory from a file without line feeds.
const LONGEST: u64 = 64 * 1024;
const READ_AHEAD: usize = 64;

/// Lines of a file. A thread reads them, so that a signal is heard while a pipe is quiet.
pub(super) struct Lines {
    lines: Receiver<Result<(u64, String)>>,
    name: String,
}

impl Lines {
    /// A file is read twice: the first time to see that each line is a key, before anything changes, and to count them.
    pub(super) fn open(path: &Path, table: &Table) -> Result<(Self, Option<u64>)> {
        let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        if path == Path::new("-") {
            return Ok((Self::start(stdin(), name), None));
        }
        let unreadable = |error| Error::Usage(format!("--keys-from: cannot read {name}: {error}"));
        let file = File::open(path).map_err(unreadable)?;
        // A pipe can be read only once.
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Ok((Self::start(file, name), None));
        }
        let mut total = 0;
        let mut reader = BufReader::new(file);
        let mut number = 0;
        while let Some((number, text)) = next_line(&mut reader, &mut number, &name)? {
            parse(table, &name, number, &text)?;
            total += 1;
        }
        let file = File::open(path).map_err(unreadable)?;
        Ok((Self::start(file, name), Some(total)))
    }

    fn start(from: impl Read + Send + 'static, name: String) -> Self {
        let (sender, lines) = channel(READ_AHEAD);
        let name_of_lines = name.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(from);
            let mut number = 0;
            while let Some(line) = next_line(&mut reader, &mut number, &name_of_lines).transpose() {
                let failed = line.is_err();
                if sender.blocking_send(line).is_err() || failed {
                    return;
                }
            }
        });
        Self { lines, name }
    }

    /// The next keys, at most `limit`, each once; none at the end.
    pub(super) async fn next(&mut self, table: &Table, limit: usize) -> Result<Option<Vec<Key>>> {
        let (mut keys, mut seen) = (Vec::new(), HashSet::new());
        while keys.len() < limit {
            let Some(line) = self.lines.recv().await else { break };
            let (number, text) = line?;
            let key = parse(table, &self.name, number, &text)?;
            if seen.insert(key.clone()) {
                keys.push(key);
            }
        }
        Ok((!keys.is_empty()).then_some(keys))
    }
}

/// The next line that is not empty, with its number; its line ending may be that of Windows.
fn next_line(reader: &mut impl BufRead, number: &mut u64, name: &str) -> Result<Option<(u64, String)>> {
    loop {
        let mut bytes = Vec::new();
        *number += 1;
        let at = format!("--keys-from: {name}, line {number}");
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut bytes);
        if read.map_err(|error| Error::Failed(anyhow::Error::new(error).context(at.clone())))? == 0 {
            return Ok(None);
        }
        if bytes.len() as u64 == LONGEST {
            return Err(Error::Usage(format!("{at} is longer than any key")));
        }
        let text = String::from_utf8(bytes).map_err(|_| Error::Usage(format!("{at} is not UTF-8")))?;
        // A byte order mark, which editors and spreadsheets put at the beginning of a file, is no part of a key.
        let text = if *number == 1 { text.trim_start_matches('\u{feff}') } else { &text };
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if !text.is_empty() {
            return Ok(Some((*number, text.to_owned())));
        }
    }
}

fn parse(table: &Table, name: &str, number: u64, text: &str) -> Result<Key> {
    table.parse_key(text).map_err(|error| Error::Usage(format!("--keys-from: {name}, line {number}: {error}")))
}
