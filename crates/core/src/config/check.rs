//! Checks of settings, and the report of the first one that fails.

/// A setting that cannot be accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidSetting {
    /// Its key path.
    pub(crate) path: String,
    /// What is wrong, and what is accepted.
    pub(crate) why: String,
}

impl InvalidSetting {
    pub(super) fn new(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self { path: path.into(), why: why.into() }
    }

    /// The same with a key path that begins at `parent`.
    pub(super) fn below(self, parent: &str) -> Self {
        Self { path: format!("{parent}.{}", self.path), why: self.why }
    }
}

pub(super) fn ensure(good: bool, path: &str, why: impl FnOnce() -> String) -> Result<(), InvalidSetting> {
    if good { Ok(()) } else { Err(InvalidSetting::new(path, why())) }
}

pub(super) fn ensure_between(path: &str, value: usize, least: usize, most: usize) -> Result<(), InvalidSetting> {
    ensure((least..=most).contains(&value), path, || format!("{value} is not between {least} and {most}"))
}

pub(super) fn ensure_table_name(path: &str, table: &str) -> Result<(), InvalidSetting> {
    ensure(!table.is_empty() && table.split('.').all(|part| !part.is_empty()), path, || {
        format!("`{table}` is not a table name: expected \"table\" or \"schema.table\"")
    })
}
