//! A child process that cannot outlive the test process.
//!
//! `PR_SET_PDEATHSIG` kills a child when the *thread* that started it ends, and a test's thread ends long before the
//! test process does. So every child gets a thread of its own that starts it, waits for it and so lives exactly as
//! long. Unsafe code is forbidden here, so the signal is set by `setpriv`, which then becomes the program (same process
//! id).

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

/// Which stream a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line that a process wrote, without its line feed. What is not UTF-8 is replaced.
#[derive(Clone, Debug)]
pub struct Line {
    /// Where it was written to.
    pub stream: Stream,
    /// The text.
    pub text: String,
}

/// A running or ended child with all that it wrote. Ended on drop.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    pid: u32,
    /// What ends it on drop.
    end: End,
    exit: watch::Receiver<Option<ExitStatus>>,
    lines: watch::Receiver<Vec<Line>>,
}

/// Someone other than root, for servers that refuse to run as root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// How a program is ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// It has no say in it.
    Kill,
    /// It ends its children and itself, at once.
    Interrupt,
    /// The same, for programs that take this signal for it.
    Terminate,
}

impl End {
    const fn signal(self) -> Signal {
        match self {
            Self::Kill => Signal::KILL,
            Self::Interrupt => Signal::INT,
            Self::Terminate => Signal::TERM,
        }
    }

    /// As `setpriv` wants it.
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
        }
    }
}

impl Process {
    /// Starts `command` (program, arguments, environment and directory are taken from it) with its output captured.
    pub(crate) fn start(command: &Command, user: Option<User>) -> Self {
        Self::ended_by(End::Kill, command, user)
    }

    /// The same for a program with children of its own. Killed, it would leave them behind.
    pub(crate) fn ended_by(end: End, command: &Command, user: Option<User>) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut wrapped = tied_to_this_process(end, command, user);
        let (started, starting) = mpsc::channel();
        let (exited, exit) = watch::channel(None);
        let (said, lines) = watch::channel(Vec::new());
        std::thread::spawn(move || {
            let mut child = match wrapped.spawn() {
                Ok(child) => child,
                Err(error) => return started.send(Err(error)).expect("the starter waits"),
            };
            let stdout = child.stdout.take().expect("stdout is piped");
            let stderr = child.stderr.take().expect("stderr is piped");
            started.send(Ok(child.id())).expect("the starter waits");
            let readers = [follow(stdout, Stream::Stdout, said.clone()), follow(stderr, Stream::Stderr, said)];
            let status = child.wait().expect("a child that no other thread waits for can be waited for");
            // First all output, then the exit: a test that saw the exit can read the last words. A grandchild may hold
            // the pipes open for longer, but none of the programs run here leaves one behind.
            for reader in readers {
                reader.join().expect("reading lines does not panic");
            }
            exited.send_replace(Some(status));
        });
        match starting.recv().expect("the thread answers") {
            Ok(pid) => Self { name, pid, end, exit, lines },
            Err(error) => panic!("cannot start {name} through setpriv: {error}"),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The exit code as a shell reports it: 128 + n when signal n ended the process. `None` while it runs.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.exit.borrow().map(code)
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.borrow().clone()
    }

    /// Everything written so far, for messages.
    pub(crate) fn text(&self) -> String {
        self.lines.borrow().iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// Sends a signal; nothing happens if the process has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.exit.borrow().is_some() {
            return;
        }
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).expect("a process id is a positive i32");
        // Fails only when the process ended just now, which is as good.
        kill_process(pid, signal).ok();
    }

    /// Waits for the end. Panics with the output after `timeout`.
    pub(crate) async fn wait(&self, timeout: Duration) -> i32 {
        let mut exit = self.exit.clone();
        match tokio::time::timeout(timeout, exit.wait_for(Option::is_some)).await {
            Ok(Ok(status)) => code(status.expect("waited for")),
            Ok(Err(_)) => panic!("the thread that waits for {} is gone", self.name),
            Err(_) => {
                panic!("{} (pid {}) still runs after {timeout:?}; it wrote:\n{}", self.name, self.pid, self.text())
            }
        }
    }

    /// Waits for a line that contains `wanted`, among the past ones too. `Err` if the process ends without.
    pub(crate) async fn line_with(&self, wanted: &str, timeout: Duration) -> Result<Line, String> {
        let mut lines = self.lines.clone();
        let mut seen = 0;
        let mut found = None;
        let search = lines.wait_for(|lines| {
            found = lines[seen..].iter().find(|line| line.text.contains(wanted)).cloned();
            seen = lines.len();
            found.is_some()
        });
        // An error means that both readers are done: the process closed its output.
        let why = match tokio::time::timeout(timeout, search).await {
            Ok(Ok(_)) => None,
            Ok(Err(_)) => Some("ended".to_owned()),
            Err(_) => Some(format!("wrote for {timeout:?}")),
        };
        match (why, found) {
            (Some(why), _) => {
                Err(format!("{} {why} without a line with {wanted:?}; it wrote:\n{}", self.name, self.text()))
            }
            (None, line) => Ok(line.expect("searched for")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(self.end.signal());
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn tied_to_this_process(end: End, command: &Command, user: Option<User>) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", end.name()]);
    if let Some(User { uid, gid }) = user {
        wrapped.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
    }
    wrapped.arg("--").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    wrapped.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Ctrl-C in the terminal is for the test process; the children follow it by their death signal.
    wrapped.process_group(0);
    wrapped
}

fn follow(
    pipe: impl Read + Send + 'static,
    stream: Stream,
    lines: watch::Sender<Vec<Line>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        // A read error on a pipe cannot be told from its end here: either way nothing more will come.
        while pipe.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            lines.send_modify(|lines| lines.push(Line { stream, text }));
            bytes.clear();
        }
    })
}
