//! The settings of `kind = "s3"`: an object in a bucket, or all objects under a prefix.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{Secret, calls::CalledUrl, kind::KindSettings, literal::ensure_literal};
use crate::{
    config::check::{InvalidSetting, ensure},
    template::NameTemplate,
};

/// Where the objects are, and how requests are authenticated.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// The bucket. A row never chooses it.
    pub bucket: String,
    /// The region; otherwise that of the environment, otherwise `us-east-1`.
    pub region: Option<String>,
    /// Where a service other than Amazon's is.
    pub endpoint: Option<String>,
    /// Whether the bucket is in the host's name rather than in the path.
    #[serde(default)]
    pub virtual_hosted: bool,
    /// Whether the endpoint may be `http://`.
    #[serde(default)]
    pub allow_http: bool,
    /// The key of the one object.
    pub key: Option<NameTemplate>,
    /// The prefix of the keys of all objects to delete.
    pub prefix: Option<NameTemplate>,
    /// The access key's id; without one, credentials come from the environment.
    pub access_key_id: Option<SecretString>,
    /// The access key's secret.
    pub secret_access_key: Option<SecretString>,
    /// A file that has the access key's secret; it is read anew when it changes.
    pub secret_access_key_file: Option<PathBuf>,
    /// The token of temporary credentials.
    pub session_token: Option<SecretString>,
}

impl S3 {
    /// The access key's secret.
    #[must_use]
    pub fn secret(&self) -> Option<Secret> {
        let file = || self.secret_access_key_file.clone().map(Secret::File);
        self.secret_access_key.clone().map(Secret::Value).or_else(file)
    }
}

impl KindSettings for S3 {
    fn text_templates() -> &'static [&'static str] {
        &["key", "prefix"]
    }

    fn columns_by_setting(&self) -> Vec<(&'static str, &str)> {
        let key = self.key.iter().flat_map(NameTemplate::columns).map(|column| ("key", column));
        key.chain(self.prefix.iter().flat_map(NameTemplate::columns).map(|column| ("prefix", column))).collect()
    }

    /// Without an endpoint it is one of Amazon's.
    fn called_urls(&self) -> Vec<CalledUrl> {
        let url = self.endpoint.as_deref().and_then(|endpoint| endpoint.parse().ok());
        let called = |url| CalledUrl { url, with_credentials: true, through_proxy: false };
        url.map(called).into_iter().collect()
    }

    fn secret_files(&self) -> Vec<&Path> {
        self.secret_access_key_file.as_deref().into_iter().collect()
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        let safe = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let named = self.bucket.bytes().all(safe) && self.bucket.bytes().any(|b| b.is_ascii_alphanumeric());
        ensure(named, "bucket", || format!("`{}` is not a bucket's name", self.bucket))?;
        ensure(self.key.is_some() != self.prefix.is_some(), "key", || {
            "expected either key (one object) or prefix (all objects under it)".to_owned()
        })?;
        if let Some(key) = &self.key {
            ensure(key.columns().next().is_some(), "key", || {
                "it names no column, so every row would delete the same object".to_owned()
            })?;
        }
        if let Some(prefix) = &self.prefix {
            ensure(prefix.columns().next().is_some(), "prefix", || {
                "it names no column, so every row would delete the same objects".to_owned()
            })?;
            ensure(!prefix.tail().is_empty(), "prefix", || {
                "it ends with a column, and `users/1` is a prefix of `users/10` too: end it with a delimiter, as in \
                 `users/{id}/`"
                    .to_owned()
            })?;
        }
        if let Some(endpoint) = &self.endpoint {
            ensure_literal("endpoint", endpoint)?;
            let url = Url::parse(endpoint).ok().filter(|url| url.query().is_none() && url.fragment().is_none());
            let scheme = url.as_ref().map_or("", Url::scheme);
            ensure(["http", "https"].contains(&scheme), "endpoint", || {
                "expected an https:// URL without query".to_owned()
            })?;
            ensure(scheme == "https" || self.allow_http, "endpoint", || {
                "it is not encrypted; if that is meant, say allow_http = true".to_owned()
            })?;
        }
        let secrets =
            usize::from(self.secret_access_key.is_some()) + usize::from(self.secret_access_key_file.is_some());
        ensure(secrets <= 1, "secret_access_key", || "it and secret_access_key_file exclude each other".to_owned())?;
        ensure(self.access_key_id.is_some() == (secrets == 1), "access_key_id", || {
            "expected access_key_id with secret_access_key or secret_access_key_file, or neither".to_owned()
        })?;
        ensure(self.session_token.is_none() || self.access_key_id.is_some(), "session_token", || {
            "it needs access_key_id".to_owned()
        })
    }
}
