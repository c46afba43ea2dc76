//! Times in columns without a zone, which applications write in a zone of their own (PostgreSQL).

use serde_json::json;

use crate::rig::{BLOCK, RESOURCE, Rig, Server};

const ZONE: &str = "America/New_York";

fn resource() -> String {
    let zoned = format!("{{ column = \"deleted_at\", zone = \"{ZONE}\" }}");
    RESOURCE
        .replace("{ column = \"deleted_at\" }", &zoned)
        .replace("key = \"id\"", "key = \"id\"\nadopt = \"on\"\nadopt_all = true")
}

async fn rig(resource: &str) -> Rig {
    let table = BLOCK.replace("TIME_TYPE", "timestamp");
    let rig = Rig::with(Server::postgres().await, &table, resource).await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1'), (2, 'c', 'g2')").await;
    rig
}

#[tokio::test]
async fn marker_is_written_and_read_in_the_configured_zone() {
    let rig = rig(&resource()).await;
    rig.request("block", &["1"]).await;
    let off = format!("abs(extract(epoch from deleted_at - (now() at time zone '{ZONE}'))) < 60");
    assert_eq!(rig.one(&format!("select {off} from block where id = 1")).await, "t");
    // What the application marked a moment ago is not adopted; what it marked a quarter of an hour ago is.
    for (ago, adopted) in [("1 minute", 0), ("15 minutes", 1)] {
        let then = format!("(now() - interval '{ago}') at time zone '{ZONE}'");
        rig.execute(&format!("update block set deleted_at = {then} where id = 2")).await;
        let swept = rig.json(&["sweep", "adopt", "--dry-run", "--json"]).await.remove(0);
        assert_eq!(swept["adoptable"], json!(adopted), "{ago}");
    }
}

#[tokio::test]
async fn zone_that_makes_no_sense_is_refused() {
    let rig = rig(RESOURCE).await;
    for (marker, why) in [
        ("{ column = \"deleted_at\", zone = \"Mars/Olympus\" }", "the database has no time zone `Mars/Olympus`"),
        ("{ column = \"item_status\", value = \"D\", zone = \"UTC\" }", "only a marker that is a time has a zone"),
    ] {
        rig.reconfigure(&RESOURCE.replace("{ column = \"deleted_at\" }", marker));
        let refused = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(refused.contains("resources.block.marker.zone") && refused.contains(why), "{refused}");
    }
}
