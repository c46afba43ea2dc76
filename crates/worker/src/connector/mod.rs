//! Connectors: the code that talks to a kind of target.

mod address;
mod http;

use async_trait::async_trait;
use sexton_core::{config::Target, outcome::Outcome, template::Values};

pub(crate) use http::Http;
pub use http::SetupError;

/// Calls a kind of target.
#[async_trait]
pub(crate) trait Connector: Send + Sync {
    /// Asks `target` to delete the twin of the row with these values, in at most the target's timeout. Every way in
    /// which it can end is an [`Outcome`]; it never panics on what a server answers.
    async fn delete(&self, target: &Target, row: &Values) -> Outcome;
}
