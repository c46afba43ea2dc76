//! The usual JSON files of Google's credentials: a service account's key, or an authorised user's refresh token
//! (`gcloud auth application-default login` writes the latter).

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Where an authorised user's refresh token is exchanged for an access token.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// What a file says.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum GoogleCredentials {
    /// A service account, which signs its requests.
    ServiceAccount {
        client_email: String,
        private_key: SecretString,
        private_key_id: Option<String>,
        #[serde(default = "token_uri")]
        token_uri: String,
    },
    /// A user who has consented.
    AuthorizedUser {
        client_id: String,
        client_secret: SecretString,
        refresh_token: SecretString,
        #[serde(default = "token_uri")]
        token_uri: String,
    },
}

fn token_uri() -> String {
    TOKEN_URI.to_owned()
}

/// A file that is read anew when it changes.
pub(super) struct File {
    path: PathBuf,
}

/// What shows a change of the file: a mounted secret is replaced as a whole, with another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    modified: Option<SystemTime>,
    length: u64,
}

/// Why a file gives no credentials. Its content stays out of the message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    #[error("it is not the JSON of a service account or an authorised user (line {0})")]
    Malformed(usize),
}

impl File {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What version the file has now.
    pub(super) fn version(&self) -> std::io::Result<Version> {
        let found = std::fs::metadata(&self.path)?;
        Ok(Version { modified: found.modified().ok(), length: found.len() })
    }

    pub(super) fn read(&self) -> Result<GoogleCredentials, Unusable> {
        let text = SecretString::from(std::fs::read_to_string(&self.path)?);
        serde_json::from_str(text.expose_secret()).map_err(|error| Unusable::Malformed(error.line()))
    }
}

impl GoogleCredentials {
    pub(super) fn token_uri(&self) -> &str {
        match self {
            Self::ServiceAccount { token_uri, .. } | Self::AuthorizedUser { token_uri, .. } => token_uri,
        }
    }
}
