//! Which columns of a row a target uses, and what for.

use sha2::{Digest, Sha256};

use super::Target;
use crate::{config::VerifyMode, template::Values};

impl Target {
    /// Whether a call is followed by a look whether the twin is really gone.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.kind.settings().is_verified()
    }

    /// Whether a later look can tell if a twin is gone.
    #[must_use]
    pub fn can_look(&self) -> bool {
        self.kind.settings().can_look()
    }

    /// Whether the target would be called in the same way with either values.
    #[must_use]
    pub fn same_twin(&self, one: &Values, other: &Values) -> bool {
        self.columns().iter().all(|column| one.get(column) == other.get(column))
    }

    /// A short name of the twin that the target would be called for: the same values have the same name, in every
    /// process.
    #[must_use]
    pub fn twin_name(&self, values: &Values) -> String {
        let used: Vec<_> = self.columns().into_iter().map(|column| (values.get(&column).cloned(), column)).collect();
        let digest = Sha256::digest(serde_json::json!(used).to_string());
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The columns whose values decide what is called: a change in one of them makes an earlier confirmation void.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> =
            self.columns_by_setting().into_iter().map(|(_, column)| column.to_owned()).collect();
        columns.sort();
        columns.dedup();
        columns
    }

    /// The columns that the target's settings name, each with the setting.
    #[must_use]
    pub fn columns_by_setting(&self) -> Vec<(&'static str, &str)> {
        let mut columns = self.kind.settings().columns_by_setting();
        columns.extend(self.skip_when_null.iter().map(|column| ("skip_when_null", column.as_str())));
        columns
    }

    /// The columns that a later look at the twin needs: they say where it is.
    #[must_use]
    pub fn look_columns(&self) -> Vec<&str> {
        self.kind.settings().look_columns()
    }

    /// Sets of columns: two rows with equal values in all columns of one set have the same twin. An empty set says
    /// nothing.
    #[must_use]
    pub fn twin_columns(&self) -> Vec<Vec<&str>> {
        self.kind.settings().twin_columns()
    }

    /// The columns that a finished deletion keeps. A look at the twin needs those that say where it is; deleting it
    /// once more (`verify` is on) needs all.
    pub(in crate::config) fn ref_columns(&self, verify: Option<VerifyMode>) -> Vec<String> {
        let of_look = || self.look_columns().into_iter().map(str::to_owned).collect();
        match verify {
            Some(VerifyMode::On) if self.can_look() => self.columns(),
            Some(VerifyMode::Report) if self.can_look() => of_look(),
            _ if self.is_verified() => of_look(),
            _ => Vec::new(),
        }
    }
}
