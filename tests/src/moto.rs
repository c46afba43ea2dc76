//! A private S3 server: moto, from PyPI. It takes any credentials and keeps everything in memory.

use std::process::Command;
use std::time::Duration;

use crate::clients::interpreter;
use crate::port;
use crate::process::Process;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Killed on drop.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    _process: Process,
}

impl Moto {
    /// A server without buckets.
    pub async fn start() -> Self {
        let mut refusal = String::new();
        // Several attempts, because another process may take the port between its choice and its use.
        for _ in 0..5 {
            let port = port::free();
            let mut command = Command::new(interpreter());
            command.args(["-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
            let process = Process::start(&command, None);
            match process.line_with("Running on", PATIENCE).await {
                Ok(_) => return Self { port, _process: process },
                Err(error) => refusal = error,
            }
        }
        panic!("no moto for this test: {refusal}");
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
