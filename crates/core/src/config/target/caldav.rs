//! The settings of `kind = "caldav"`: an object in a calendar, an address book, or any WebDAV server.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use url::Url;

use super::{
    Auth,
    calls::{CalledUrl, names_credential},
    kind::KindSettings,
    literal::ensure_literal,
    validate::{ensure_gone_statuses, ensure_used},
};
use crate::{
    config::check::{InvalidSetting, ensure},
    template::{HrefTemplate, NameTemplate, TextTemplate, UrlTemplate, deserialize_text_templates},
};

/// Where the object is, and how requests are authenticated.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalDav {
    /// Where the object is; `{column}` is replaced by the row's value, percent-encoded.
    pub url: UrlTemplate,
    /// What the server itself calls the object, as a path or URL below `url`. It is encoded already.
    pub href: Option<HrefTemplate>,
    /// The `ETag` that the application remembers: the condition where the server tells none.
    pub etag: Option<NameTemplate>,
    /// Whether to delete only what has the `ETag` that was read.
    #[serde(default = "yes")]
    pub if_match: bool,
    /// Whether a collection may be deleted, with all that is in it.
    #[serde(default)]
    pub collection: bool,
    /// How requests are authenticated.
    pub auth: Option<Auth>,
    /// More headers of every request. They often carry credentials, so their literal text is secret.
    #[serde(default, deserialize_with = "deserialize_text_templates")]
    pub headers: BTreeMap<String, TextTemplate>,
    /// Columns whose value may be empty in `headers` and the URL's query.
    #[serde(default)]
    pub allow_empty: Vec<String>,
    /// Statuses, besides 2xx, that mean "already deleted" without a look at the collection.
    #[serde(default = "default_gone")]
    pub gone: Vec<u16>,
}

const fn yes() -> bool {
    true
}

/// As for `http`. A 404 is followed by a look at the collection.
fn default_gone() -> Vec<u16> {
    vec![410]
}

impl CalDav {
    /// The columns of a request that may be empty if the settings say so: all but those of the path.
    pub fn columns_beside_the_path(&self) -> impl Iterator<Item = &str> {
        self.url.query_columns().chain(self.headers.values().flat_map(TextTemplate::columns))
    }

    /// The columns that say where the object is.
    fn address_columns(&self) -> impl Iterator<Item = &str> {
        self.url.columns().chain(self.href.iter().flat_map(HrefTemplate::columns))
    }
}

impl KindSettings for CalDav {
    fn text_templates() -> &'static [&'static str] {
        &["href", "etag", "headers"]
    }

    fn columns_by_setting(&self) -> Vec<(&'static str, &str)> {
        let mut columns: Vec<_> = self.url.columns().map(|column| ("url", column)).collect();
        columns.extend(self.href.iter().flat_map(HrefTemplate::columns).map(|column| ("href", column)));
        columns.extend(self.etag.iter().flat_map(NameTemplate::columns).map(|column| ("etag", column)));
        columns.extend(self.headers.values().flat_map(TextTemplate::columns).map(|column| ("headers", column)));
        columns
    }

    fn look_columns(&self) -> Vec<&str> {
        self.address_columns().chain(self.headers.values().flat_map(TextTemplate::columns)).collect()
    }

    fn twin_columns(&self) -> Vec<Vec<&str>> {
        vec![self.address_columns().collect()]
    }

    fn called_urls(&self) -> Vec<CalledUrl> {
        let with_credentials = self.auth.is_some() || self.headers.keys().any(|name| names_credential(name));
        let of_tokens = self.auth.iter().filter_map(Auth::token_url).map(|url| (url, true));
        let called = |(url, with_credentials): (&Url, bool)| CalledUrl {
            url: url.clone(),
            with_credentials,
            through_proxy: false,
        };
        [(self.url.base(), with_credentials)].into_iter().chain(of_tokens).map(called).collect()
    }

    fn secret_files(&self) -> Vec<&Path> {
        self.auth.iter().flat_map(Auth::secret_files).collect()
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        ensure_gone_statuses("gone", &self.gone)?;
        ensure_used("allow_empty", &self.allow_empty, &self.columns_beside_the_path().collect::<Vec<_>>())?;
        self.headers.keys().try_for_each(|name| ensure_literal("headers", name))?;
        if let Some(href) = &self.href {
            ensure(href.columns().next().is_some(), "href", || {
                "it names no column, so every row would delete the same object".to_owned()
            })?;
            ensure(!self.url.has_query(), "url", || {
                "with `href` it is what every href is below, without a query".to_owned()
            })?;
        }
        ensure(!matches!(self.auth, Some(Auth::Webhook(_))), "auth", || {
            "a WebDAV server knows no webhook signatures: expected bearer, basic or oauth2".to_owned()
        })?;
        let authorized = self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        ensure(self.auth.is_none() || !authorized, "auth", || "`headers` has an Authorization already".to_owned())?;
        ensure(self.if_match || self.etag.is_none(), "etag", || "it is of no use with if_match = false".to_owned())
    }
}
