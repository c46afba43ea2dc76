//! A subscription that wakes an idle worker as soon as something is pushed.
//!
//! A lost subscription costs latency only: the worker polls as well.

use std::time::Duration;

use futures::{StreamExt, channel::mpsc::Sender};
use sexton_core::transport::{HintQueue, connection::CONNECT_TIMEOUT};
use tracing::debug;

/// Between attempts to subscribe.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Passes wakes on until aborted, or until the receiver is dropped. Wakes that were not taken yet are merged.
pub(super) async fn pass_on_wakes(queue: HintQueue, mut woken: Sender<()>) {
    let channel = queue.keys().wake();
    while !woken.is_closed() {
        let subscribed = tokio::time::timeout(CONNECT_TIMEOUT, async {
            let mut subscription = queue.connection().client().get_async_pubsub().await?;
            subscription.subscribe(&channel).await?;
            Ok::<_, redis::RedisError>(subscription)
        });
        match subscribed.await {
            Ok(Ok(mut subscription)) => {
                let mut messages = subscription.on_message();
                while messages.next().await.is_some() {
                    if woken.try_send(()).is_err_and(|full| full.is_disconnected()) {
                        return;
                    }
                }
                debug!("lost the subscription to {channel}");
            }
            Ok(Err(error)) => debug!("cannot subscribe to {channel}: {error}"),
            Err(_) => debug!("cannot subscribe to {channel}: no answer within {CONNECT_TIMEOUT:?}"),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
