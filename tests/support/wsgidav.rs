//! A private WebDAV server: WsgiDAV, from PyPI. Anyone may read and write. On a `DELETE` of a collection it ignores
//! `If-Match`.

use std::process::Command;

use crate::{clients::interpreter, port, process::Process, workdir::Workdir};

/// A running server. Killed on drop.
#[derive(Debug)]
pub struct WsgiDav {
    port: u16,
    _dir: Workdir,
    _process: Process,
}

impl WsgiDav {
    /// An empty server.
    pub async fn start() -> Self {
        let dir = Workdir::new("sexton-wsgidav-");
        let (port, process) = port::start_server("WsgiDAV", async |port| {
            let mut command = Command::new(interpreter());
            command.args(["-m", "wsgidav.server.server_cli", "--no-config", "--auth", "anonymous", "-H", "127.0.0.1"]);
            command.args(["-p", &port.to_string(), "-r"]).arg(dir.path());
            port::listens(port, Process::start(&command, None)).await
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
