//! Toys and the persons who like them.

use serde_json::Value;

use crate::rig::{Rig, Server};

pub(crate) const TABLES: &str = "create table toy (id bigint primary key, name text, deprecated_at TIME_TYPE);
    create table person (id bigint primary key, favorite_toy_id bigint references toy (id), deleted_at TIME_TYPE);
    create index on_toy on person (favorite_toy_id)";

pub(crate) const TOY: &str = r#"
[resources.toy]
table = "toy"
key = "id"
unreferenced = { by = [{ table = "person", column = "favorite_toy_id" }], since = "deprecated_at", hide_after = "7d", delete_after = "14d", mode = "on" }
"#;

/// Toys 1 to `n`, those in `liked` each with a person of the same number.
pub(crate) async fn toys(server: Server, n: usize, liked: &[usize], resources: &str) -> Rig {
    let rig = Rig::with(server, TABLES, resources).await;
    for id in 1..=n {
        rig.execute(&format!("insert into toy (id) values ({id})")).await;
    }
    for id in liked {
        rig.execute(&format!("insert into person (id, favorite_toy_id) values ({id}, {id})")).await;
    }
    rig
}

/// Lets `days` pass, over which passes covered every row.
pub(crate) async fn days_pass(rig: &Rig, days: u32) {
    if rig.server.is_postgres() {
        rig.execute(&format!("update toy set deprecated_at = deprecated_at - interval '{days} days'")).await;
        rig.execute(
            r#"update sexton_sweep set cursor = jsonb_set(cursor, '{covered,toy,from}', '"2020-01-01T00:00:00.000Z"')"#,
        )
        .await;
    } else {
        rig.execute(&format!(
            "update toy set deprecated_at = strftime('%Y-%m-%dT%H:%M:%fZ', deprecated_at, '-{days} days')"
        ))
        .await;
        rig.execute(
            "update sexton_sweep set cursor = json_set(cursor, '$.covered.toy.from', '2020-01-01T00:00:00.000Z')",
        )
        .await;
    }
}

pub(crate) async fn sweep(rig: &Rig) -> Value {
    rig.json(&["sweep", "unreferenced", "--json"]).await.remove(0)
}

/// The figures of a pass that are not zero.
pub(crate) fn nonzero(figures: &Value) -> String {
    const NAMES: [&str; 11] = [
        "looked",
        "unreferenced",
        "hidden",
        "deprecated",
        "restarted",
        "cleared",
        "old",
        "deleted",
        "requested",
        "missed",
        "refused",
    ];
    let counts = NAMES.iter().map(|name| (name, figures[name].as_u64().unwrap())).filter(|(_, count)| *count > 0);
    counts.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

pub(crate) async fn ids(rig: &Rig, condition: &str) -> String {
    rig.rows(&format!("select id from toy where {condition} order by id")).await.join(" ")
}
