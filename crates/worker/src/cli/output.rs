//! Standard output: text for people, JSON for programs.

use serde::Serialize;

use super::error::Result;

/// Prints one JSON object on a line.
pub(super) fn json(value: &impl Serialize) -> Result {
    let text = serde_json::to_string(value).map_err(anyhow::Error::from)?;
    println!("{text}");
    Ok(())
}

/// Prints columns, as wide as their widest cell. Control characters in cells are escaped: keys are the application's
/// data, and a terminal must not obey them.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let clean = |cell: &str| -> String {
        cell.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
    };
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
