//! One `sexton run` process, and its metrics.

use std::time::{Duration, Instant};

use sexton_tests::{Daemon, PATIENCE, Sexton};

/// A running `sexton run`.
pub(crate) struct Worker {
    pub(crate) daemon: Daemon,
    console: String,
}

impl Worker {
    pub(crate) async fn start(sexton: &Sexton) -> Self {
        let daemon = sexton.spawn(&["run"]).await;
        let console = daemon.address("console").await;
        Self { daemon, console }
    }

    /// A metric's value; zero if it is not there yet.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let client = plain_client();
        let text = client.get(format!("http://{}/metrics", self.console)).send().await.unwrap().text().await.unwrap();
        let of = text.lines().filter(|line| line.starts_with(name));
        of.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until a metric is as `wanted`.
    pub(crate) async fn wait_for_metric(&self, name: &str, wanted: impl Fn(f64) -> bool) {
        let (start, mut value) = (Instant::now(), self.metric(name).await);
        while !wanted(value) {
            assert!(start.elapsed() < PATIENCE, "{name} stays {value}; {:#?}", self.daemon.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
            value = self.metric(name).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.daemon.stop().await;
    }

    pub(crate) async fn kill(&self) {
        self.daemon.signal("KILL");
        assert_eq!(self.daemon.wait(PATIENCE).await, 137);
    }
}

fn plain_client() -> reqwest::Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::new()
}
