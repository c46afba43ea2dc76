//! The directory of the demonstration: its lock, its log, and a database file that is new each time.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use tracing_subscriber::EnvFilter;
use url::Url;

/// The directory, locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    _lock: File,
}

impl Files {
    /// Makes the directory if need be, and removes the database of an earlier run.
    ///
    /// # Errors
    /// The directory cannot be written, or another demonstration runs in it.
    pub(crate) fn prepare(dir: &Path) -> anyhow::Result<Self> {
        let shown = dir.display();
        fs::create_dir_all(dir).with_context(|| format!("cannot make the directory {shown}"))?;
        let lock = File::create(dir.join("lock")).with_context(|| format!("cannot write into {shown}"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another demonstration runs in {shown}; end it, or name another directory with --dir")
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("cannot lock {shown}")),
        }
        for name in ["calendar.db", "calendar.db-wal", "calendar.db-shm"] {
            let file = dir.join(name);
            if file.exists() {
                fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
            }
        }
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    /// The URL of the database file, absolute, so that it means the same wherever `sexton` is started.
    ///
    /// # Errors
    /// The directory has no absolute path.
    pub(crate) fn sqlite_url(&self) -> anyhow::Result<String> {
        let file = self.dir.canonicalize()?.join("calendar.db");
        let url = Url::from_file_path(&file).map_err(|()| anyhow::anyhow!("{} is not absolute", file.display()))?;
        Ok(format!("sqlite://{}?mode=rwc", url.path()))
    }

    /// Where `sexton.toml` is.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("sexton.toml")
    }

    /// Sends the daemon's log to a file, so that it does not run through the progress. `RUST_LOG` says what it holds.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn start_log(&self) -> anyhow::Result<PathBuf> {
        let path = self.dir.join("sexton.log");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Arc::new(file)).init();
        Ok(path)
    }
}
