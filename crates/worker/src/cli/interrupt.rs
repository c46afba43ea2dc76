//! Ctrl-C and SIGTERM for a command that goes step by step: the first ends it after the current step, the second at
//! once.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

use crate::cli::error::Result;

pub(super) struct Interrupt {
    /// Cancelled at the first signal.
    pub(super) first: CancellationToken,
    second: oneshot::Receiver<()>,
}

impl Interrupt {
    /// `step` names what is still finished after the first signal.
    pub(super) fn listen(step: &'static str) -> Result<Self> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let first = CancellationToken::new();
        let (sender, second) = oneshot::channel();
        let flag = first.clone();
        tokio::spawn(async move {
            for is_first in [true, false] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if is_first {
                    // Said first, or the command may say how it ended before.
                    eprintln!("sexton: ending after this {step}; once more to end at once");
                    flag.cancel();
                }
            }
            // The receiver is gone if the command has ended meanwhile.
            sender.send(()).ok();
        });
        Ok(Self { first, second })
    }

    /// Resolves at the second signal.
    pub(super) async fn second(&mut self) {
        if (&mut self.second).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
