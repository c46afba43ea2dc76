//! Credentials, also in files that are renewed while the process runs (Kubernetes secrets, Vault's agent).

use std::{
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use secrecy::{ExposeSecret, SecretString};
use sexton_core::config::Secret;

/// A credential that can be read at any time.
pub(in crate::connector) enum SecretSource {
    /// Fixed.
    Value(SecretString),
    /// In a file, read anew when its time or size changes.
    File {
        /// Where.
        path: PathBuf,
        /// What was read last.
        last: Mutex<Option<Last>>,
    },
}

/// What was read last, with the file's time and size.
pub(in crate::connector) struct Last {
    stamp: (Option<SystemTime>, u64),
    secret: SecretString,
}

impl SecretSource {
    pub(in crate::connector) fn new(secret: &Secret) -> Self {
        match secret {
            Secret::Value(secret) => Self::Value(secret.clone()),
            Secret::File(path) => Self::File { path: path.clone(), last: Mutex::default() },
        }
    }

    /// The credential as it is now.
    ///
    /// # Errors
    /// The file cannot be read, is empty, or has more than one line. The error repeats nothing of it.
    pub(super) fn read(&self) -> io::Result<SecretString> {
        let (path, last) = match self {
            Self::Value(secret) => return Ok(secret.clone()),
            Self::File { path, last } => (path, last),
        };
        let metadata = std::fs::metadata(path)?;
        let stamp = (metadata.modified().ok(), metadata.len());
        // Nothing that holds the lock can panic half way through a change.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| last.stamp == stamp) {
            return Ok(last.secret.clone());
        }
        let text = SecretString::from(std::fs::read_to_string(path)?);
        let secret = text.expose_secret().trim_end_matches(['\r', '\n']);
        if secret.is_empty() || secret.contains(['\r', '\n', '\0']) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "expected one line"));
        }
        let secret = SecretString::from(secret);
        *last = Some(Last { stamp, secret: secret.clone() });
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_read_again_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let source = SecretSource::new(&Secret::File(path.clone()));
        assert!(source.read().is_err(), "there is none yet");
        for token in ["one", "three"] {
            std::fs::write(&path, format!("{token}\n")).unwrap();
            assert_eq!(source.read().unwrap().expose_secret(), token);
            assert_eq!(source.read().unwrap().expose_secret(), token);
        }
        for bad in ["", "\n", "a b\nc d\n"] {
            std::fs::write(&path, bad).unwrap();
            let error = source.read().unwrap_err();
            assert!(!error.to_string().contains("c d"), "{error}");
        }
    }
}
