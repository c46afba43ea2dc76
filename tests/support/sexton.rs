//! The real `sexton` binary, run as an operator runs it: in a directory with a `sexton.toml`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::{
    process::{Line, Process, Stream},
    wait::PATIENCE,
    workdir::Workdir,
};

/// The authorities that are trusted.
const NOBODY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/support/nobody.pem");

/// A directory with a configuration, to run commands in.
#[derive(Debug)]
pub struct Sexton {
    program: PathBuf,
    env: Vec<(String, String)>,
    open_files: Option<u32>,
    dir: Workdir,
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; 128 + n if signal n ended it.
    pub code: i32,
    /// All lines of standard output, each with a line feed.
    pub stdout: String,
    /// The same of standard error.
    pub stderr: String,
}

impl Output {
    /// Passes itself on if the exit code is this one; else panics with everything that was written.
    #[track_caller]
    #[must_use = "the output is for further assertions; drop it if there are none"]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl Sexton {
    /// The binary from `SEXTON_BIN`, else the one that was built into the same target directory as this test.
    #[must_use]
    pub fn new(config_toml: &str) -> Self {
        Self::with_program(&built(), config_toml)
    }

    /// Another program in its place.
    #[must_use]
    pub fn with_program(program: &Path, config_toml: &str) -> Self {
        let sexton =
            Self { program: program.to_owned(), env: Vec::new(), open_files: None, dir: Workdir::new("sexton-run-") };
        sexton.write("sexton.toml", config_toml);
        sexton
    }

    /// Sets an environment variable for all later commands. None that starts with `SEXTON_` is inherited.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Limits the files that later commands may have open, as `ulimit -n` does.
    #[must_use]
    pub fn open_files(self, limit: u32) -> Self {
        Self { open_files: Some(limit), ..self }
    }

    /// The working directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into the working directory, for example a changed `sexton.toml`, and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir().join(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// Runs a command to its end, within a minute.
    pub async fn run(&self, args: &[&str]) -> Output {
        self.run_within(PATIENCE, args).await
    }

    /// Runs a command to its end. Panics after `timeout`; the command is killed then.
    pub async fn run_within(&self, timeout: Duration, args: &[&str]) -> Output {
        let process = Process::start(&self.command(args), None);
        let code = process.wait(timeout).await;
        let of = |stream| {
            let lines = process.lines().into_iter().filter(|line| line.stream == stream);
            lines.map(|line| line.text + "\n").collect()
        };
        Output { code, stdout: of(Stream::Stdout), stderr: of(Stream::Stderr) }
    }

    /// Starts a command that keeps running, like `run`.
    pub async fn spawn(&self, args: &[&str]) -> Daemon {
        Daemon(Process::start(&self.command(args), None))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.open_files {
            None => Command::new(&self.program),
            Some(limit) => {
                let mut limited = Command::new("prlimit");
                limited.arg(format!("--nofile={limit}:{limit}")).arg("--").arg(&self.program);
                limited
            }
        };
        command.args(args).current_dir(self.dir());
        // Sexton reads its configuration from `SEXTON_…` too; what the test process was given is not meant for it.
        for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"SEXTON_")) {
            command.env_remove(name);
        }
        // One authority, which never certified a server: tests that need another name it, and reading the machine's two
        // hundred was a third of the time that a start took.
        command.env("SSL_CERT_FILE", NOBODY).env_remove("SSL_CERT_DIR");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A running `sexton`. Killed on drop, and with the test process.
#[derive(Debug)]
pub struct Daemon(Process);

impl Daemon {
    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Sends `STOP`, `CONT`, `TERM`, `INT`, `HUP`, `QUIT` or `KILL`. Nothing happens if the process has ended.
    pub fn signal(&self, name: &str) {
        self.0.signal(match name {
            "STOP" => Signal::STOP,
            "CONT" => Signal::CONT,
            "TERM" => Signal::TERM,
            "INT" => Signal::INT,
            "HUP" => Signal::HUP,
            "QUIT" => Signal::QUIT,
            "KILL" => Signal::KILL,
            other => panic!("no test has needed the signal {other} so far; add it here"),
        });
    }

    /// Waits for the end and returns the exit code; 128 + n if signal n ended it. Panics with the output after
    /// `timeout`.
    pub async fn wait(&self, timeout: Duration) -> i32 {
        self.0.wait(timeout).await
    }

    /// The exit code, or `None` while it runs.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.0.exit_code()
    }

    /// All lines so far. Order is kept within a stream; between the two it is only approximate.
    #[must_use]
    pub fn logs(&self) -> Vec<Line> {
        self.0.lines()
    }

    /// Waits for a line on either stream that contains `wanted`; lines already written count. Panics with the output
    /// when the process ends or `timeout` passes without it.
    pub async fn wait_for_log(&self, wanted: &str, timeout: Duration) -> Line {
        self.0.line_with(wanted, timeout).await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// Where `sexton run` says that `what` listens, once it works: its `console`, or its `api`. `HOST:PORT`.
    pub async fn address(&self, what: &str) -> String {
        let line = self.wait_for_log("working", PATIENCE).await.text;
        let address = line.split(&format!("{what}=")).nth(1).and_then(|rest| rest.split_whitespace().next());
        address.unwrap_or_else(|| panic!("no {what} in {line}")).to_owned()
    }

    /// Ends it in good order.
    pub async fn stop(&self) {
        self.signal("TERM");
        assert_eq!(self.wait(PATIENCE).await, 0, "the exit code after SIGTERM");
    }
}

fn built() -> PathBuf {
    if let Some(path) = env::var_os("SEXTON_BIN") {
        return PathBuf::from(path);
    }
    let test = env::current_exe().unwrap_or_else(|error| panic!("cannot tell where this test is: {error}"));
    // target/debug/deps/main-… → target/debug/sexton
    let path = test.parent().and_then(Path::parent).expect("a test is two directories deep").join("sexton");
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace`, or set SEXTON_BIN", path.display());
    path
}
