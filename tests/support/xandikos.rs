//! A private CalDAV server: Xandikos, from PyPI, with one user and one calendar. Anyone may read and write.

use std::process::Command;

use crate::{clients::interpreter, port, process::Process, workdir::Workdir};

/// A running server. Killed on drop.
#[derive(Debug)]
pub struct Xandikos {
    port: u16,
    _dir: Workdir,
    _process: Process,
}

impl Xandikos {
    /// A server with an empty calendar.
    pub async fn start() -> Self {
        let dir = Workdir::new("sexton-xandikos-");
        let (port, process) = port::start_server("Xandikos", async |port| {
            let mut command = Command::new(interpreter());
            command.current_dir(dir.path()).args(["-m", "xandikos", "serve", "--defaults", "--no-detect-systemd"]);
            command.args(["-d", "data", "--state-dir", "state", "-l", "127.0.0.1", "-p", &port.to_string()]);
            port::listens(port, Process::start(&command, None)).await
        })
        .await;
        Self { port, _dir: dir, _process: process }
    }

    /// The URL of the calendar, without a slash at the end.
    #[must_use]
    pub fn calendar(&self) -> String {
        format!("http://127.0.0.1:{}/user/calendars/calendar", self.port)
    }
}
