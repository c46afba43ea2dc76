//! Standard output: text for people, JSON for programs.

use serde::Serialize;

use super::error::Result;

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Format {
    /// As `--json` says.
    pub(super) const fn json_if(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Prints one JSON object on a line. JSON escapes most control characters, but lets DEL and the C1 set pass (RFC 8259
/// §7).
pub(super) fn json(value: &impl Serialize) -> Result {
    println!("{}", line(value)?);
    Ok(())
}

/// The line that [`json`] prints.
pub(super) fn line(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value).map_err(anyhow::Error::from)?;
    let escaped = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    Ok(text.chars().map(escaped).collect())
}

/// The text with its control characters escaped, except line feeds: keys are the application's data, and a terminal
/// must not obey them.
pub(super) fn clean(text: &str) -> String {
    let escaped = |c: char| if c.is_control() && c != '\n' { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// Prints columns, as wide as their widest cell.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let clean = |cell: &str| clean(cell).replace('\n', "\\n");
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| clean(cell))).collect();
    let mut widths = head.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(&head.map(str::to_owned));
    rows.iter().for_each(line);
}

/// A duration in milliseconds as people say it.
pub(super) fn age(ms: i64) -> String {
    let seconds = u64::try_from(ms / 1000).unwrap_or_default();
    humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string()
}
