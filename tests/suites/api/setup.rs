//! Daemons that serve the API.

use sexton_tests::Daemon;

use super::client::Client;
use crate::rig::{RESOURCE, Rig, Server};

pub(super) const TOKEN: &str = "billing-0123456789abcdef";

/// A client called `billing`.
pub(super) const API: &str = "[api]\ntokens = [{ name = \"billing\", token = \"billing-0123456789abcdef\" }]\n";

/// Blocks 1 to `n`, whose deletions can be requested over HTTP.
pub(super) async fn blocks(server: Server, n: usize) -> Rig {
    Rig::blocks_with(server, n, &format!("{RESOURCE}\n{API}")).await
}

/// Starts the worker, and a client of its API.
pub(super) async fn serve(rig: &Rig) -> (Daemon, Client) {
    let daemon = rig.sexton.spawn(&["run"]).await;
    let client = Client::new(&daemon.address("api").await, TOKEN).await;
    (daemon, client)
}
