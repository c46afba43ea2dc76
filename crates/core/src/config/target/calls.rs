//! Where the calls of a target go, and which files its credentials are in: what `sexton check` looks at.

use std::path::Path;

use url::Url;

use super::{Auth, Secret, Target};

/// A URL that calls of a target go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledUrl {
    /// The URL, as far as it is the same for all rows.
    pub url: Url,
    /// Whether credentials go with a call.
    pub with_credentials: bool,
    /// Whether the call goes through a proxy, which then resolves the host.
    pub through_proxy: bool,
}

impl Target {
    /// The URLs of all calls: those that delete, those that look, and those for tokens.
    #[must_use]
    pub fn called_urls(&self) -> Vec<CalledUrl> {
        self.kind.settings().called_urls()
    }

    /// The files that have its credentials.
    #[must_use]
    pub fn secret_files(&self) -> Vec<&Path> {
        self.kind.settings().secret_files()
    }
}

impl Secret {
    /// The file, if it is in one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Value(_) => None,
        }
    }
}

impl Auth {
    /// The token endpoint, if there is one.
    pub(super) fn token_url(&self) -> Option<&Url> {
        match self {
            Self::OAuth2(oauth2) => Some(&oauth2.token_url),
            Self::Bearer(_) | Self::Basic { .. } | Self::Webhook(_) => None,
        }
    }

    /// The files that have its credentials.
    pub(super) fn secret_files(&self) -> Vec<&Path> {
        match self {
            Self::Bearer(secret) | Self::Webhook(secret) | Self::Basic { password: secret, .. } => {
                secret.file().into_iter().collect()
            }
            Self::OAuth2(oauth2) => {
                oauth2.client_secret.iter().chain(&oauth2.refresh_token).filter_map(Secret::file).collect()
            }
        }
    }
}

/// Whether a header or a parameter of this name is likely to be a credential.
pub(super) fn names_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "key", "token", "secret", "cookie"].iter().any(|word| name.contains(word))
}
