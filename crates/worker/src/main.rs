//! The `sexton` binary.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    sexton_worker::cli::main().await
}
