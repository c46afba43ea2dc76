//! The sweep `verify`: it looks whether the twins of completed deletions are still gone.

mod lanes;
mod observations;
mod redeletion;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use sexton_tests::api::{Answer, Behaviour, Call};

use crate::rig::{RESOURCE, Rig, Server};

/// A second external system, as the calendar can be looked at.
const ROOM: &str = r#"
[[resources.block.targets]]
name = "room"
kind = "http"
url = "@API@/rooms/{id}"
timeout = "2s"
allow_private = true
skip_when_null = ["note"]
verify = { url = "@API@/rooms/{id}", status = [404] }
"#;

/// The objects in the external systems. A call for a missing one is answered with 404.
#[derive(Clone, Default)]
struct Twins(Arc<Mutex<BTreeSet<String>>>);

impl Twins {
    fn behind(rig: &Rig) -> Self {
        let twins = Self::default();
        let there = Arc::clone(&twins.0);
        rig.api.set_default(Behaviour::With(Arc::new(move |call: &Call| {
            let mut there = there.lock().unwrap();
            match (call.method.as_str(), there.contains(call.path())) {
                ("GET", true) => Answer::StatusBody(200, "{}".to_owned()),
                ("GET", false) => Answer::Status(404),
                _ => {
                    there.remove(call.path());
                    Answer::Status(204)
                }
            }
        })));
        twins
    }

    fn come_back(&self, path: &str) {
        self.0.lock().unwrap().insert(path.to_owned());
    }

    fn vanish(&self, path: &str) {
        self.0.lock().unwrap().remove(path);
    }
}

fn event(n: usize) -> String {
    format!("/calendars/c/events/g{n}")
}

/// The sweep's settings, and the calendar with `verify`.
fn settings(verify: &str, more: &str) -> String {
    let look = "verify = { url = \"@API@/calendars/{calendar_id}/events/{gcal_id}\", status = [404] }";
    let resource = RESOURCE.replace("timeout = \"2s\"", &format!("timeout = \"2s\"\n{look}"));
    format!("[sync]\nverify = {{ {verify} }}\n{more}{resource}")
}

fn mode_report() -> String {
    settings("share = 1.0", "")
}

fn mode_on() -> String {
    settings("share = 1.0, mode = \"on\"", "")
}

/// Blocks 1 to `n`, whose deletions were completed an hour ago.
async fn deleted(server: Server, n: usize, resources: &str) -> (Rig, Twins) {
    let rig = Rig::blocks_with(server, n, resources).await;
    let twins = Twins::behind(&rig);
    let keys: Vec<String> = (1..=n).map(|n| n.to_string()).collect();
    rig.request("block", &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    rig.work().await;
    age(&rig).await;
    (rig, twins)
}

/// Makes every completed deletion an hour older.
async fn age(rig: &Rig) {
    rig.execute(if rig.server.is_postgres() {
        "update sexton_deletion_done set finished_at = finished_at - interval '1 hour'"
    } else {
        "update sexton_deletion_done set finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', finished_at, '-1 hour')"
    })
    .await;
}

async fn sweep(rig: &Rig) -> Value {
    rig.json(&["sweep", "verify", "--json"]).await.remove(0)
}

/// The figures that are not zero.
fn nonzero(figures: &Value) -> String {
    let figures = figures.as_object().unwrap().iter();
    let told = figures.filter(|(_, count)| count.as_u64().is_some_and(|count| count > 0));
    told.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

async fn sweep_nonzero(rig: &Rig) -> String {
    nonzero(&sweep(rig).await)
}

/// The sweep's state in `status --json`.
async fn state(rig: &Rig) -> Value {
    let status = rig.json(&["status", "--json"]).await.remove(0);
    status["sweeps"].as_array().unwrap().iter().find(|state| state["name"] == "verify").unwrap().clone()
}

/// Calls with this method, in order of path.
fn calls(rig: &Rig, method: &str) -> Vec<String> {
    let mut calls: Vec<String> =
        rig.api.log().iter().filter(|call| call.method == method).map(|call| call.path().to_owned()).collect();
    calls.sort();
    calls
}
