//! Where the programs of PostgreSQL are, and who may run them.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::User;

const DEBIAN: &str = "/usr/lib/postgresql";

/// The path of a server program: from the directory `SEXTON_POSTGRES_BIN`, else from `PATH`, else the newest version that
/// Debian's packages installed (they keep the server's programs off `PATH`).
pub(crate) fn find(program: &str) -> PathBuf {
    let dirs = match env::var_os("SEXTON_POSTGRES_BIN") {
        Some(dir) => vec![PathBuf::from(dir)],
        None => on_path().chain(debian_newest_first()).collect(),
    };
    match dirs.iter().map(|dir| dir.join(program)).find(|path| path.is_file()) {
        Some(path) => path,
        None => panic!(
            "{program} is in none of {dirs:?}: run scripts/servers.sh, or set SEXTON_POSTGRES_BIN to its directory"
        ),
    }
}

fn on_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

fn debian_newest_first() -> impl Iterator<Item = PathBuf> {
    let version = |path: &Path| path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok());
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((version(&entry.path())?, entry.path().join("bin"))))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, bin)| bin)
}

/// The ids of `nobody`, which differ between distributions.
pub(crate) fn nobody() -> User {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = accounts.lines().find_map(|line| {
        let mut fields = line.strip_prefix("nobody:")?.split(':').skip(1);
        Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    });
    ids.unwrap_or(User { uid: 65_534, gid: 65_534 })
}
