//! What handlers read from requests, checked.

use axum::extract::{Query, rejection::QueryRejection};

use super::problem::Problem;

/// Reads a query string.
pub(super) fn read_query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|query| query.0).map_err(|rejection| Problem::request(rejection.status(), rejection.body_text()))
}

/// The longest reason, in characters.
pub(super) const REASON: usize = 1000;
/// The longest name of who asks, in characters.
pub(super) const REQUESTED_BY: usize = 200;

/// Checks a text that will be recorded: at most `most` characters, and no NUL, which PostgreSQL cannot store. A blank
/// text is none.
pub(super) fn check_text(field: &str, text: Option<String>, most: usize) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.contains('\0') => Err(Problem::field(field, "it has a NUL character")),
        Some(text) if text.chars().count() > most => {
            Err(Problem::field(field, format!("it is longer than {most} characters")))
        }
        text => Ok(text.filter(|text| !text.trim().is_empty())),
    }
}
