//! How a mistake in a configuration is reported.

/// The first mistake found: the key path, and what is wrong and accepted.
pub(super) type Mistake = (String, String);

pub(super) fn require(good: bool, path: &str, message: impl FnOnce() -> String) -> Result<(), Mistake> {
    if good { Ok(()) } else { Err((path.to_owned(), message())) }
}

pub(super) fn range(path: &str, value: usize, least: usize, most: usize) -> Result<(), Mistake> {
    require((least..=most).contains(&value), path, || format!("{value} is not between {least} and {most}"))
}

pub(super) fn table(path: &str, table: &str) -> Result<(), Mistake> {
    require(!table.is_empty() && table.split('.').all(|p| !p.is_empty()), path, || {
        format!("`{table}` is not a table name: expected \"table\" or \"schema.table\"")
    })
}
