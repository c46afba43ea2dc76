//! Bookings, mirrored in a calendar: the table of tests that are not about tables.

use sexton_tests::Server;

use super::Rig;

pub(crate) const BLOCK: &str = "create table block (id bigint primary key, calendar_id text, gcal_id text, note text,
    kind text, item_status text, deleted_at TIME_TYPE)";

pub(crate) const RESOURCE: &str = r#"
[resources.block]
table = "block"
key = "id"
marker = { column = "deleted_at" }

[[resources.block.targets]]
name = "calendar"
kind = "http"
url = "@API@/calendars/{calendar_id}/events/{gcal_id}"
timeout = "2s"
allow_private = true
breaker = { probe_interval = "20ms", max_probe_interval = "200ms" }
"#;

impl Rig {
    /// Blocks 1 to `n` with events `g1` to `gn` in calendar `c`.
    pub(crate) async fn blocks(server: Server, n: usize) -> Self {
        Self::blocks_with(server, n, RESOURCE).await
    }

    pub(crate) async fn blocks_with(server: Server, n: usize, resources: &str) -> Self {
        let rig = Self::with(server, BLOCK, resources).await;
        for i in 1..=n {
            rig.execute(&format!("insert into block (id, calendar_id, gcal_id) values ({i}, 'c', 'g{i}')")).await;
        }
        rig
    }

    pub(crate) async fn request_block(&self) -> String {
        self.request("block", &["1"]).await.remove(0)
    }
}
