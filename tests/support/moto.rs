//! A private S3 server: moto, from PyPI. It takes any credentials and keeps everything in memory.

use std::process::Command;

use crate::{clients::interpreter, port, process::Process, wait::PATIENCE, workdir::Workdir};

/// A running server. Killed on drop.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    _dir: Workdir,
    _process: Process,
}

impl Moto {
    /// A server with a bucket that has objects with these keys.
    pub async fn start(bucket: &str, keys: &[String]) -> Self {
        let dir = Workdir::new("sexton-moto-");
        let file = dir.path().join("keys.json");
        std::fs::write(&file, serde_json::to_vec(keys).expect("texts are JSON"))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        let (port, process) = port::start_server("moto", async |port| {
            let mut command = Command::new(interpreter());
            command.args(["-u", "-c", include_str!("moto_server.py"), &port.to_string(), bucket]).arg(&file);
            let process = Process::start(&command, None);
            process.line_with("Running on", PATIENCE).await.map(|_| process)
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
