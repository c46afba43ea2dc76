//! Temporary directories that are removed even when the test process is killed, or when they belong to a static
//! (statics are never dropped).
//!
//! One shell per test process reads the directories' names from a pipe. The pipe ends when the process does, whatever
//! ended it; then the shell removes what is left.

use std::env;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex};

use rustix::fs::{StatVfs, StatVfsMountFlags, statvfs};
use tempfile::TempDir;

/// Servers die with the test process, but not in the same instant: one that still writes can make a removal fail.
const REAPER: &str = r#"
trap '' HUP INT TERM
dirs=$(cat)
for try in 1 2 3 4 5 6 7 8 9 10; do
    left=$(printf '%s\n' "$dirs" | while IFS= read -r dir; do
        rm -rf -- "$dir"
        if [ -e "$dir" ]; then echo "$dir"; fi
    done)
    if [ -z "$left" ]; then exit; fi
    sleep 0.2
done
"#;

#[expect(clippy::zombie_processes, reason = "it waits for this process, not the other way round")]
static REAPER_INPUT: LazyLock<Mutex<ChildStdin>> = LazyLock::new(|| {
    let mut shell = Command::new("sh")
        .args(["-c", REAPER])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0) // ctrl-C is for the test process; the reaper acts after it
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start the shell that removes temporary directories: {error}"));
    Mutex::new(shell.stdin.take().expect("stdin is piped"))
});

/// A database is a few hundred files, and each test makes one: in memory that takes a quarter of the time. Where memory
/// is short, or `TMPDIR` names a place, it is done on disk.
static PARENT: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let is_fit = |found: StatVfs| {
        // Programs are run from there, too.
        found.f_bavail * found.f_frsize >= ROOM && !found.f_flag.contains(StatVfsMountFlags::NOEXEC)
    };
    let has_room = statvfs(memory).is_ok_and(is_fit);
    if has_room && env::var_os("TMPDIR").is_none() { memory.to_owned() } else { env::temp_dir() }
});

/// Bytes that must be free in memory: the tests with a million rows take two thirds of it.
const ROOM: u64 = 6 << 30;

/// A temporary directory, removed on drop or at the end of the test process.
#[derive(Debug)]
pub(crate) struct Workdir(TempDir);

impl Workdir {
    /// A new directory whose name starts with `prefix`. Kept short: a unix socket's path may have 107 bytes.
    pub(crate) fn new(prefix: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(&*PARENT)
            .unwrap_or_else(|error| panic!("cannot create a temporary directory {prefix}*: {error}"));
        let mut input = REAPER_INPUT.lock().expect("nothing panics while it holds the reaper's input");
        writeln!(input, "{}", dir.path().display())
            .unwrap_or_else(|error| panic!("the shell that removes temporary directories is gone: {error}"));
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}
