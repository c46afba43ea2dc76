//! Hints from Redis, offered to the engine.

use std::sync::Arc;

use async_trait::async_trait;
use sexton_core::hint::Hint;

use crate::{engine::Engine, transport::HintHandler};

/// Hands hints to the engine.
pub(crate) struct Hints(pub(crate) Arc<Engine>);

#[async_trait]
impl HintHandler for Hints {
    async fn handle(&self, hint: Hint) {
        self.0.offer(hint).await;
    }
}
