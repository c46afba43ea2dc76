//! Rows of an answer, and how their columns are read.
//!
//! Ids, states and JSON come as text from both databases and are parsed here, so that there is one way to read each,
//! and one error for a column that this release cannot read.

use std::{fmt::Display, str::FromStr, sync::Arc};

use sea_orm::{DbErr, QueryResult, TryGetable};
use serde::de::DeserializeOwned;

use super::Error;

/// A row of an answer.
#[derive(Debug)]
pub struct Row {
    row: QueryResult,
    purpose: Arc<str>,
}

impl Row {
    pub(super) const fn new(row: QueryResult, purpose: Arc<str>) -> Self {
        Self { row, purpose }
    }

    /// The column `name` in one of the driver's types.
    ///
    /// # Errors
    /// [`Error`] when the answer has no such column, or it holds another type.
    pub fn get<T: TryGetable>(&self, name: &str) -> Result<T, Error> {
        self.row.try_get("", name).map_err(|source| Error::new(&self.purpose, None, source))
    }

    /// The column `name`, which holds the text of a `T`: an id, a state, a name.
    ///
    /// # Errors
    /// [`Error`] when there is no such text, or this release cannot read it.
    pub fn parse<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, Error> {
        let text: String = self.get(name)?;
        text.parse().map_err(|error| self.unreadable(name, &error))
    }

    /// As [`Self::parse`]; none for null.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_opt<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Error> {
        let text: Option<String> = self.get(name)?;
        text.map(|text| text.parse().map_err(|error| self.unreadable(name, &error))).transpose()
    }

    /// The column `name`, which holds JSON as text.
    ///
    /// # Errors
    /// [`Error`] when it holds no JSON that makes a `T`.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let text: String = self.get(name)?;
        serde_json::from_str(&text).map_err(|error| self.unreadable(name, &error))
    }

    /// As [`Self::json`]; none for null.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub fn json_opt<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let text: Option<String> = self.get(name)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.unreadable(name, &error))).transpose()
    }

    /// The column `name`, a whole number of whatever width the database gives it.
    ///
    /// # Errors
    /// [`Error`] when it is null or no whole number.
    pub fn integer(&self, name: &str) -> Result<i64, Error> {
        if let Ok(number) = self.row.try_get::<i64>("", name) {
            return Ok(number);
        }
        if let Ok(number) = self.row.try_get::<i32>("", name) {
            return Ok(number.into());
        }
        self.get::<i16>(name).map(i64::from)
    }

    /// The column `name` as a number of things: [`Self::integer`], and 0 for what is below 0.
    ///
    /// # Errors
    /// As [`Self::integer`].
    pub fn count<T: TryFrom<i64> + Default>(&self, name: &str) -> Result<T, Error> {
        Ok(T::try_from(self.integer(name)?).unwrap_or_default())
    }

    /// The error of a column that this release cannot read.
    #[must_use]
    pub fn unreadable(&self, name: &str, why: &dyn Display) -> Error {
        Error::new(&self.purpose, None, DbErr::Type(format!("column `{name}`: {why}")))
    }
}
