//! Secrets in files, as Kubernetes and systemd hand them out. They are read when they are needed, so that a changed one
//! counts at once.

use std::{io, path::Path};

use secrecy::SecretString;

/// The content of a file without the line end that editors put after it.
///
/// # Errors
/// When it cannot be read, or is not UTF-8.
pub(super) async fn read(path: &Path) -> io::Result<SecretString> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
    let text = read.map_err(io::Error::other)??;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}
