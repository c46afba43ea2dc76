//! A private CalDAV server: Radicale, from PyPI, with one user.

use std::process::Command;

use crate::{clients::interpreter, port, process::Process, wait::PATIENCE, workdir::Workdir};

/// A running server. Killed on drop.
#[derive(Debug)]
pub struct Radicale {
    port: u16,
    _dir: Workdir,
    _process: Process,
}

impl Radicale {
    /// The user's name; everything below `/sexton/` is theirs.
    pub const USER: &str = "sexton";
    /// The user's password.
    pub const PASSWORD: &str = "a p:ss wörd";

    /// An empty server.
    pub async fn start() -> Self {
        let dir = Workdir::new("sexton-radicale-");
        let users = dir.path().join("users");
        std::fs::write(&users, format!("{}:{}\n", Self::USER, Self::PASSWORD))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", users.display()));
        let (port, process) = port::start_server("Radicale", async |port| {
            let mut command = Command::new(interpreter());
            command.current_dir(dir.path()).args(["-m", "radicale", "--config", ""]);
            command.args(["--hosts", &format!("127.0.0.1:{port}"), "--auth-type", "htpasswd", "--auth-delay", "0"]);
            command.args(["--auth-htpasswd-encryption", "plain", "--auth-htpasswd-filename"]).arg(&users);
            command.arg("--storage-filesystem-folder").arg(dir.path().join("data"));
            let process = Process::start(&command, None);
            process.line_with("Radicale server ready", PATIENCE).await.map(|_| process)
        })
        .await;
        Self { port, _dir: dir, _process: process }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
