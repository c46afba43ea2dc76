//! Ports for private servers.
//!
//! They are taken from below the kernel's ephemeral range (32768 and up on Linux). An outgoing connection may take a
//! port of that range while a server is down, and the server could not come back.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

use crate::{process::Process, wait::PATIENCE};

/// Starts the server `name` on a free loopback port. It makes several attempts, because another process may take a port
/// between its choice and its use.
pub(crate) async fn start_server(
    name: &str,
    mut start: impl AsyncFnMut(u16) -> Result<Process, String>,
) -> (u16, Process) {
    let mut refusal = String::new();
    for _ in 0..5 {
        let port = free();
        match start(port).await {
            Ok(process) => return (port, process),
            Err(error) => refusal = error,
        }
    }
    panic!("no {name} for this test: {refusal}");
}

/// Waits until something listens on the port: for servers that write no line when they are ready.
pub(crate) async fn listens(port: u16, process: Process) -> Result<Process, String> {
    let start = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        if process.exit_code().is_some() || start.elapsed() > PATIENCE {
            return Err(format!("nothing listens on port {port}; it wrote:\n{}", process.text()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(process)
}

/// A loopback port that nothing listens on.
fn free() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    for _ in 0..1_000 {
        let random = uuid::Uuid::now_v7().as_u128() % u128::from(COUNT);
        let Ok(offset) = u16::try_from(random) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, FIRST + offset)).is_ok() {
            return FIRST + offset;
        }
    }
    panic!("no free loopback port between {FIRST} and {}", FIRST + COUNT);
}
