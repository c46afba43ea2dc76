//! The settings of `kind = "caldav"`: an object in a calendar, an address book, or any WebDAV server.

use std::{collections::BTreeMap, path::PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use super::{Mistake, http::default_gone, require};
use crate::{template::UrlTemplate, text_template::TextTemplate};

/// Where the object is, and how the server knows us.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalDav {
    /// Where the object is; `{column}` is replaced by the row's value, percent-encoded.
    pub url: UrlTemplate,
    /// The `ETag` that the application remembers; without it, it is read first.
    pub etag: Option<TextTemplate>,
    /// Whether to delete only what has the `ETag` that was read or remembered.
    #[serde(default = "yes")]
    pub if_match: bool,
    /// Whether a collection may be deleted, with all that is in it.
    #[serde(default)]
    pub collection: bool,
    /// The user's name, for basic authentication.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<SecretString>,
    /// A file that has the password; it is read before each call.
    pub password_file: Option<PathBuf>,
    /// More headers of every request. They often carry credentials, so they are secrets as a whole.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretString>,
    /// Statuses, besides 2xx, that mean "already deleted" without a look at the collection.
    #[serde(default = "default_gone")]
    pub gone: Vec<u16>,
}

const fn yes() -> bool {
    true
}

impl CalDav {
    pub(super) fn uses(&self) -> Vec<(&'static str, &str)> {
        let url = self.url.columns().map(|column| ("url", column));
        url.chain(self.etag.iter().flat_map(TextTemplate::columns).map(|column| ("etag", column))).collect()
    }

    pub(super) fn validate(&self) -> Result<(), Mistake> {
        let passwords = usize::from(self.password.is_some()) + usize::from(self.password_file.is_some());
        require(passwords <= 1, "password", || "it and password_file exclude each other".to_owned())?;
        require(self.user.is_some() == (passwords == 1), "user", || {
            "basic authentication needs user, and password or password_file".to_owned()
        })?;
        let authorized = self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        require(self.user.is_none() || !authorized, "headers", || {
            "user and an Authorization header exclude each other".to_owned()
        })?;
        require(self.if_match || self.etag.is_none(), "etag", || "it is of no use with if_match = false".to_owned())
    }
}
