//! The settings of `kind = "caldav"`: an object in a calendar, an address book, or any WebDAV server.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Auth, Mistake, http::texts, require};
use crate::template::{NameTemplate, TextTemplate, UrlTemplate};

/// Where the object is, and how the server knows us.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalDav {
    /// Where the object is; `{column}` is replaced by the row's value, percent-encoded.
    pub url: UrlTemplate,
    /// The `ETag` that the application remembers; without it, it is read first.
    pub etag: Option<NameTemplate>,
    /// Whether to delete only what has the `ETag` that was read or remembered.
    #[serde(default = "yes")]
    pub if_match: bool,
    /// Whether a collection may be deleted, with all that is in it.
    #[serde(default)]
    pub collection: bool,
    /// How requests are authenticated.
    pub auth: Option<Auth>,
    /// More headers of every request. They often carry credentials, so what they say literally is secret.
    #[serde(default, deserialize_with = "texts")]
    pub headers: BTreeMap<String, TextTemplate>,
    /// Statuses, besides 2xx, that mean "already deleted" without a look at the collection.
    #[serde(default = "default_gone")]
    pub gone: Vec<u16>,
}

const fn yes() -> bool {
    true
}

/// As for `http`; a 404 is looked into.
fn default_gone() -> Vec<u16> {
    vec![410]
}

impl CalDav {
    pub(super) fn uses(&self) -> Vec<(&'static str, &str)> {
        let mut uses: Vec<_> = self.url.columns().map(|column| ("url", column)).collect();
        uses.extend(self.etag.iter().flat_map(NameTemplate::columns).map(|column| ("etag", column)));
        uses.extend(self.headers.values().flat_map(TextTemplate::columns).map(|column| ("headers", column)));
        uses
    }

    /// The columns that a look at the object is made of.
    pub(super) fn place_columns(&self) -> Vec<&str> {
        self.url.columns().chain(self.headers.values().flat_map(TextTemplate::columns)).collect()
    }

    pub(super) fn validate(&self) -> Result<(), Mistake> {
        require(!matches!(self.auth, Some(Auth::Webhook(_))), "auth", || {
            "a WebDAV server knows no webhook signatures: expected bearer, basic or oauth2".to_owned()
        })?;
        let authorized = self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        require(self.auth.is_none() || !authorized, "auth", || "`headers` has an Authorization already".to_owned())?;
        require(self.if_match || self.etag.is_none(), "etag", || "it is of no use with if_match = false".to_owned())
    }
}
