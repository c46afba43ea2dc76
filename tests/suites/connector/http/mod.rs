//! The `http` connector: what it sends, what it makes of answers, and which calls it must not repeat.

mod answers;
mod auth;
mod documents;
mod memory;
mod oauth2;
mod private_addresses;
mod repeatable;
mod requests;
mod transport;
mod verify;

use crate::rig::{Rig, Server};

/// A resource `thing` of which row `1` has the ref `r1`; `SETTINGS` are those of its target `crm`.
const THING: &str = r#"
[resources.thing]
table = "thing"
key = "id"
marker = { column = "deleted_at" }

[[resources.thing.targets]]
name = "crm"
kind = "http"
timeout = "2s"
allow_private = true
SETTINGS
"#;

const TABLE: &str = "create table thing (id bigint primary key, ref text, mail text, deleted_at TIME_TYPE)";

fn thing(settings: &str) -> String {
    THING.replace("SETTINGS", settings)
}

/// `n` things with the refs `r1` to `rn`, on SQLite.
async fn things(n: usize, settings: &str) -> Rig {
    things_on(Server::sqlite().await, n, settings).await
}

async fn things_on(server: Server, n: usize, settings: &str) -> Rig {
    let rig = Rig::with(server, TABLE, &thing(settings)).await;
    for i in 1..=n {
        rig.execute(&format!("insert into thing (id, ref, mail) values ({i}, 'r{i}', 'ann@example.org')")).await;
    }
    rig
}

/// Requests the deletion of things 1 to `n`.
async fn request(rig: &Rig, n: usize) -> Vec<String> {
    let keys: Vec<String> = (1..=n).map(|n| n.to_string()).collect();
    rig.request("thing", &keys.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// Deletes thing 1 and returns its deletion's state and last error.
async fn delete(rig: &Rig) -> (String, String) {
    let id = request(rig, 1).await.remove(0);
    rig.work().await;
    (rig.state(&id).await, rig.show(&id).await["last_error"].as_str().unwrap_or_default().to_owned())
}
