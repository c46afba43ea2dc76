//! Private PostgreSQL servers: one that all tests of a process share, and dedicated ones for tests that stop them.
//!
//! `fsync=off`: only the process is ever killed here, never the machine. `synchronous_commit` stays on: without it, a
//! killed server forgets what it had already reported as committed.

pub(crate) mod programs;
mod replication;

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Signal, geteuid};
use tokio::sync::OnceCell;

use self::programs::Programs;
use crate::{
    port,
    process::{Process, User},
    wait::PATIENCE,
    workdir::Workdir,
};

/// A static is never dropped: the server ends by its death signal and the directory by the reaper of
/// [`crate::workdir`].
static SHARED: OnceCell<Postgres> = OnceCell::const_new();
static NEWEST: OnceCell<Postgres> = OnceCell::const_new();

/// If this is set, tests run on the newest PostgreSQL: `make test` does so with suites that depend on the version.
const ON_NEWEST: &str = "SEXTON_TEST_NEWEST";

/// A running (or stopped) private server. Killed on drop.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    process: Option<Process>,
    user: Option<User>,
    programs: Programs,
    /// Whether [`crate::TestDb`] has made its template here.
    pub(crate) template: OnceCell<()>,
    /// Whether it can be told to copy files for a new database (15 and newer).
    pub(crate) copies_on_demand: OnceCell<bool>,
    /// Settings besides the usual ones, which they win over.
    more: Vec<String>,
    // After the process: fields are dropped in this order, and a server should not outlive its data.
    dir: Workdir,
}

impl Postgres {
    /// The server that all tests of this process share; started by the first who asks.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start_dedicated).await
    }

    /// The same of the newest version.
    pub async fn newest() -> &'static Self {
        NEWEST.get_or_init(|| Self::start_of(Programs::newest)).await
    }

    /// A server of one's own, to be stopped and started at will. Takes about two seconds.
    pub async fn start_dedicated() -> Self {
        match std::env::var_os(ON_NEWEST) {
            Some(_) => Self::start_of(Programs::newest).await,
            None => Self::start_of(usual).await,
        }
    }

    async fn start_of(programs: impl FnOnce(&Path, Option<User>) -> Programs) -> Self {
        let dir = Workdir::new("sexton-pg-");
        let user = unprivileged(&dir);
        let programs = programs(dir.path(), user);
        Self::init(dir, user, programs, &[]).await
    }

    /// Makes its data and starts it.
    async fn init(dir: Workdir, user: Option<User>, programs: Programs, more: &[&str]) -> Self {
        let mut initdb = Command::new(programs.find("initdb"));
        initdb.current_dir(dir.path()).env("LC_ALL", "C").args(["--username=postgres", "--auth=trust", "--no-sync"]);
        initdb.args(["--no-locale", "--encoding=UTF8", "--pgdata"]).arg(data(&dir));
        let initdb = Process::start(&initdb, user);
        assert_eq!(initdb.wait(PATIENCE).await, 0, "initdb failed: {}", initdb.text());

        Self::on_free_port(dir, user, programs, more, READY).await
    }

    /// Starts it on the data that is in its directory.
    async fn on_free_port(dir: Workdir, user: Option<User>, programs: Programs, more: &[&str], ready: &str) -> Self {
        let more = more.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self {
            port: 0,
            process: None,
            user,
            programs,
            template: OnceCell::new(),
            copies_on_demand: OnceCell::new(),
            more,
            dir,
        };
        let (port, process) = port::start_server("PostgreSQL", async |port| server.launch(port, ready).await).await;
        (server.port, server.process) = (port, Some(process));
        server
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the unix socket, for clients that connect through it.
    #[must_use]
    pub fn socket_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// The URL of a database on this server for a role; no password is needed.
    #[must_use]
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// What it wrote to its log so far.
    #[must_use]
    pub fn log(&self) -> Vec<crate::Line> {
        self.process.as_ref().map(Process::lines).unwrap_or_default()
    }

    /// Ends the server as a crash would: every connection is cut, open transactions are lost, the next start recovers.
    pub async fn stop_immediate(&mut self) {
        let Some(process) = self.process.take() else { return };
        process.signal(Signal::QUIT);
        process.wait(PATIENCE).await;
    }

    /// Brings a stopped server back on the same port with all that was committed.
    pub async fn start_again(&mut self) {
        self.start_with(READY).await;
    }

    async fn start_with(&mut self, ready: &str) {
        assert!(self.process.is_none(), "the private PostgreSQL already runs");
        match self.launch(self.port, ready).await {
            Ok(process) => self.process = Some(process),
            Err(error) => panic!("the private PostgreSQL does not come back on port {}: {error}", self.port),
        }
    }

    /// Starts the program and waits until it says that it is `ready`.
    async fn launch(&self, port: u16, ready: &str) -> Result<Process, String> {
        let mut command = Command::new(self.programs.find("postgres"));
        command.current_dir(self.dir.path()).env("LC_ALL", "C").arg("-D").arg(data(&self.dir));
        command.arg("-k").arg(self.dir.path()).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        // A crash of the server is survived without the first two, and only one of the machine is not. The others save
        // work that no test needs: replicas, compiled plans, and checkpoints between the tests.
        let settings = [
            "fsync=off",
            "full_page_writes=off",
            "wal_level=minimal",
            "max_wal_senders=0",
            "checkpoint_timeout=1h",
            "max_wal_size=1GB",
            "jit=off",
            "max_connections=300",
        ];
        for setting in settings.into_iter().chain(self.more.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        let process = Process::start(&command, self.user);
        process.line_with(ready, PATIENCE).await.map(|_| process)
    }
}

fn data(dir: &Workdir) -> PathBuf {
    dir.path().join("data")
}

fn usual(_: &Path, _: Option<User>) -> Programs {
    Programs::Usual
}

/// PostgreSQL refuses to run as root: then it runs as `nobody`, to whom the directory is given.
fn unprivileged(dir: &Workdir) -> Option<User> {
    if !geteuid().is_root() {
        return None;
    }
    let user = programs::nobody();
    std::os::unix::fs::chown(dir.path(), Some(user.uid), Some(user.gid))
        .unwrap_or_else(|error| panic!("cannot give {} to nobody: {error}", dir.path().display()));
    Some(user)
}

const READY: &str = "database system is ready to accept connections";
