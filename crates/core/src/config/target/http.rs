//! The settings of `kind = "http"`: one request.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;

use crate::template::UrlTemplate;

/// How the request is made, and what its answer means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The method of the call.
    #[serde(default)]
    pub method: Method,
    /// Where the twin is; `{column}` is replaced by the row's value, percent-encoded.
    pub url: UrlTemplate,
    /// Headers of the call. They often carry credentials, so they are secrets as a whole.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretString>,
    /// Statuses, besides 2xx, that mean "already deleted".
    #[serde(default = "default_gone")]
    pub gone: Vec<u16>,
}

/// 410 says "was here and is gone" (RFC 9110 §15.5.11). 404 also answers a wrong base path, so it must be asked for.
pub(super) fn default_gone() -> Vec<u16> {
    vec![410]
}

impl Http {
    /// The columns that the request is made of, each with the setting that names it.
    pub(super) fn uses(&self) -> Vec<(&'static str, &str)> {
        self.url.columns().map(|column| ("url", column)).collect()
    }
}

/// Methods a call may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "RFC 9110 §9.3 says what each means")]
pub enum Method {
    #[default]
    Delete,
    Post,
    Put,
    Patch,
    Get,
}

impl Method {
    /// The method's token (RFC 9110 §9.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Get => "GET",
        }
    }
}
