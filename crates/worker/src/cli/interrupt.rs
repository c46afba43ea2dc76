//! Ctrl-C and SIGTERM for a command that goes step by step: the first ends it after the current step, the second at once.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

use crate::cli::error::Result;

pub(super) struct Interrupt {
    /// Whether somebody asked for the end.
    pub(super) asked: CancellationToken,
    again: oneshot::Receiver<()>,
}

impl Interrupt {
    /// `step` is what is still done after the first.
    pub(super) fn listen(step: &'static str) -> Result<Self> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let asked = CancellationToken::new();
        let (sender, again) = oneshot::channel();
        let flag = asked.clone();
        tokio::spawn(async move {
            for first in [true, false] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if first {
                    flag.cancel();
                    eprintln!("sexton: ending after this {step}; once more to end at once");
                }
            }
            // Nobody listens any more when the command ended meanwhile.
            sender.send(()).ok();
        });
        Ok(Self { asked, again })
    }

    /// Resolves at the second signal.
    pub(super) async fn again(&mut self) {
        if (&mut self.again).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
