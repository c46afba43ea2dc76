//! `sexton export` and `sexton show` on finished deletions: enough to prove each, and nothing of the row.

use serde_json::{Value, json};
use sexton_tests::api::Answer;

use crate::rig::{RESOURCE, Rig, Server, on_both};

on_both!(
    finished_deletion_tells_who_asked_what_was_answered_and_when_the_row_went,
    nothing_of_the_row_is_kept_when_its_deletion_is_finished,
    key_is_kept_as_a_salted_hash_and_still_found,
    request_by_file_resumes_where_only_hashes_are_kept,
    export_writes_what_show_tells_in_the_order_of_time,
    export_reads_many_deletions_in_pages,
    export_to_a_file_leaves_the_old_one_until_it_is_complete,
    export_refuses_what_is_no_time,
);

fn hashed() -> String {
    RESOURCE.replace("key = \"id\"", "key = \"id\"\nhash_key = true")
}

async fn finished_deletion_tells_who_asked_what_was_answered_and_when_the_row_went(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    rig.api.script("/calendars/c/events/g1", vec![Answer::Status(503), Answer::Status(410)]);
    let args = ["request", "block", "1", "--by", "ann", "--reason", "ticket 4711", "--json"];
    let id = rig.json(&args).await[0]["id"].as_str().unwrap().to_owned();
    rig.work().await;
    let record = rig.show(&id).await;
    assert_eq!((&record["requested_by"], &record["reason"]), (&json!("ann"), &json!("ticket 4711")));
    assert_eq!((&record["state"], &record["row_outcome"]), (&json!("completed"), &json!("deleted")));
    assert_eq!((&record["attempts"], &record["children_deleted"]), (&json!(2), &json!(0)));
    let confirmation = &record["confirmations"]["calendar"];
    assert_eq!((&confirmation["answer"], &confirmation["status"]), (&json!("gone"), &json!(410)));
    let failed = &record["failed_attempts"][0];
    assert_eq!(
        (&failed["target"], &failed["status"], &failed["outcome"]),
        (&json!("calendar"), &json!(503), &json!("retry"))
    );
    // When a target confirmed is told by the worker's clock carried on from the claim, so it is only about right.
    let times = [&record["requested_at"], &record["called_at"], &failed["at"], &record["finished_at"]];
    let times = times.map(|time| time.as_str().unwrap());
    assert!(times.is_sorted() && confirmation["at"].as_str().unwrap() > times[2], "{times:?}");
}

/// Everything that Sexton's tables hold, as text.
async fn everything(rig: &Rig) -> String {
    let mut all = String::new();
    for table in ["deletion", "deletion_done", "attempt", "action", "resource", "sweep", "control"] {
        let sql = if rig.server.is_postgres() {
            format!("select to_json(t)::text from sexton_{table} t")
        } else {
            let columns = rig.rows(&format!("select name from pragma_table_info('sexton_{table}')")).await;
            format!("select {} from sexton_{table}", columns.join(", "))
        };
        all.push_str(&rig.rows(&sql).await.join("\n"));
    }
    all
}

async fn nothing_of_the_row_is_kept_when_its_deletion_is_finished(server: Server) {
    let resources = hashed() + &hashed().replace("block", "slot").replace("/calendars/", "/slots/");
    let slots = crate::rig::BLOCK.replace("create table block", "create table slot");
    let rig = Rig::with(server, &format!("{};{slots}", crate::rig::BLOCK), &resources).await;
    for table in ["block", "slot"] {
        for id in 777_001..=777_004 {
            rig.execute(&format!(
                "insert into {table} (id, calendar_id, gcal_id) values ({id}, 'ann@example', 'secret{id}')"
            ))
            .await;
        }
    }
    // The external system answers with the id of the object in place of a reason.
    let echo = |id: usize| Answer::StatusBody(503, json!({ "error": { "code": format!("secret{id}") } }).to_string());
    for id in 777_001..=777_004 {
        let refusal = Answer::StatusBody(400, json!({ "code": format!("no_secret{id}_here") }).to_string());
        let script = if id == 777_003 { vec![refusal] } else { vec![echo(id), Answer::Reset] };
        for path in ["calendars", "slots"] {
            rig.api.script(&format!("/{path}/ann%40example/events/secret{id}"), script.clone());
        }
    }
    let daemon = rig.daemon().await;
    let mut ids = Vec::new();
    for table in ["block", "slot"] {
        ids.extend(rig.request(table, &["777001", "777002", "777003"]).await);
    }
    for id in &ids {
        rig.settled(id).await;
    }
    // One is discarded, one superseded and then completed.
    drop(rig.run(&["dlq", "discard", &ids[2], "--reason", "closed"]).await.expect_code(0));
    let again = rig.request("slot", &["777003"]).await.remove(0);
    assert_ne!(again, ids[5]);
    assert_eq!(rig.settled(&again).await, "completed");
    drop(rig.run(&["request", "block", "777004", "--after", "1h"]).await.expect_code(0));
    drop(rig.run(&["restore", "block", "777004"]).await.expect_code(0));
    daemon.stop().await;
    let ended = "select state, cancelled_by, count(*) from sexton_deletion_done group by 1, 2 order by 1, 2";
    assert_eq!(
        rig.rows(ended).await,
        ["cancelled|discarded|1", "cancelled|restored|1", "cancelled|superseded|1", "completed|-|5"]
    );
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
    let kept = everything(&rig).await;
    let logs: String = daemon.logs().iter().map(|line| format!("{}\n", line.text)).collect();
    assert!(
        kept.contains("http_503") && kept.contains("http_400") && logs.contains("is dead: rejected"),
        "{kept}{logs}"
    );
    for value in ["777001", "777002", "777003", "777004", "ann@example", "ann%40example"] {
        assert!(!kept.contains(value), "{value} is kept:\n{kept}");
        assert!(!logs.contains(value), "{value} is logged:\n{logs}");
    }
}

async fn key_is_kept_as_a_salted_hash_and_still_found(server: Server) {
    let rig = Rig::blocks_with(server, 2, &hashed()).await;
    let first = rig.request_block().await;
    assert_eq!(rig.show(&first).await["key"], "1", "it is needed as long as the deletion is open");
    rig.work().await;
    let record = rig.show(&first).await;
    let hash = record["key_hash"].as_str().unwrap();
    assert_eq!((&record["key"], hash.len()), (&Value::Null, 64));
    assert!(hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    assert!(rig.run(&["show", &first]).await.expect_code(0).stdout.contains("(key not kept)"));
    let late = rig.run(&["restore", "block", "1"]).await.expect_code(3).stderr;
    assert!(late.contains(&first) && late.contains("it is completed"), "{late}");
    drop(rig.run(&["restore", "block", "2"]).await.expect_code(3));
    // The same key gives the same hash, another key or another database another.
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    rig.request("block", &["1", "2"]).await;
    rig.work().await;
    let hashes = "select count(*), count(distinct key_hash), count(key) from sexton_deletion_done";
    assert_eq!(rig.rows(hashes).await, ["3|2|0"]);
    let salt = rig.one("select value from sexton_secret where name = 'key_salt'").await;
    assert_eq!(salt.len(), 64);
    // The other tests' databases are copies, also of the salt.
    let other = Rig::blocks_with(Server::empty_sqlite(), 1, &hashed()).await;
    other.request_block().await;
    other.work().await;
    assert_ne!(other.one("select key_hash from sexton_deletion_done").await, hash);
    other.execute(&format!("update sexton_secret set value = '{salt}'")).await;
    other.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    other.request_block().await;
    other.work().await;
    let same = format!("select count(*) from sexton_deletion_done where key_hash = '{hash}'");
    assert_eq!(other.one(&same).await, "1", "both databases hash alike");
}

async fn request_by_file_resumes_where_only_hashes_are_kept(server: Server) {
    let resource = hashed();
    let resource = &resource[..resource.find("[[resources.block.targets]]").unwrap()];
    let rig = Rig::blocks_with(server, 4, resource).await;
    let file = rig.sexton.write("keys", "1\n2\n3\n");
    let args = ["request", "block", "--keys-from", file.to_str().unwrap(), "--json"];
    let batch = rig.json(&args).await.pop().unwrap()["batch_id"].as_str().unwrap().to_owned();
    assert_eq!(rig.rows("select count(*), count(key_hash) from sexton_deletion_done").await, ["3|3"]);
    rig.sexton.write("keys", "1\n2\n3\n4\n");
    let summary = rig.json(&[&args[..], &["--batch", &batch]].concat()).await.pop().unwrap();
    assert_eq!((&summary["rows"], &summary["done_before"], &summary["missing"]), (&json!(1), &json!(3), &json!(0)));
}

async fn export_writes_what_show_tells_in_the_order_of_time(server: Server) {
    let rig = Rig::blocks(server, 4).await;
    rig.api.script("/calendars/c/events/g1", vec![Answer::Status(503)]);
    rig.api.script("/calendars/c/events/g3", vec![Answer::Status(400)]);
    let mut ids = Vec::new();
    for key in ["1", "2", "3"] {
        ids.push(rig.request("block", &[key]).await.remove(0));
        rig.work().await;
    }
    drop(rig.run(&["dlq", "discard", &ids[2], "--reason", "closed", "--by", "bob"]).await.expect_code(0));
    rig.request("block", &["4"]).await;
    let exported = rig.json(&["export", "--since", "1h"]).await;
    let mut shown = Vec::new();
    for id in &ids {
        shown.push(rig.show(id).await);
    }
    assert_eq!(exported, shown, "what is open is not among them");
    assert_eq!(exported[0]["failed_attempts"][0]["status"], 503);
    assert_eq!((&exported[2]["actions"][0]["who"], &exported[2]["cancelled_by"]), (&json!("bob"), &json!("discarded")));
    // Both ends, in UTC and in another zone.
    rig.execute("update sexton_deletion_done set finished_at = '2026-01-31T23:30:00.000Z' where key = '2'").await;
    let of = async |args: &[&str]| rig.json(&[&["export"], args].concat()).await.len();
    assert_eq!(of(&["--since", "2026-01-31", "--until", "2026-02-01"]).await, 1);
    assert_eq!(of(&["--since", "2026-01-31T23:30:00Z", "--until", "2026-02-01T00:30:00.001+01:00"]).await, 1);
    assert_eq!(of(&["--since", "2026-01-31T23:30:00.001Z", "--until", "2026-02-01"]).await, 0);
    assert_eq!(of(&["--since", "2026-01-01", "--until", "2026-02-01T00:30:00+01:00"]).await, 0);
    assert_eq!(of(&["--since", "2026-01-01", "--resource", "block"]).await, 3);
    assert_eq!(of(&["--since", "2026-01-01", "--resource", "other"]).await, 0);
}

async fn export_reads_many_deletions_in_pages(server: Server) {
    let rig = Rig::blocks(server, 0).await;
    // Many in the same instant: the id decides then.
    rig.execute(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1234)
         insert into sexton_deletion_done (id, resource, key, state, row_outcome, fence, attempts, rescues, batch_id,
            targets, confirmations, requested_at, requested_by, finished_at)
         select cast('00000000-0000-7000-8000-' || substr('000000000000' || i, -12) as UUID_TYPE), 'block', i, 'completed',
            'deleted', 1, 1, 0, '00000000-0000-7000-8000-000000000000', '[]', '{}', '2026-01-01T00:00:00.000Z', 'x',
            '2026-01-02T00:00:00.000Z' from n"
            .replace("UUID_TYPE", if rig.server.is_postgres() { "uuid" } else { "text" })
            .replace("substr('000000000000' || i, -12)", if rig.server.is_postgres() { "lpad(i::text, 12, '0')" } else { "substr('000000000000' || i, -12)" })
            .as_str(),
    )
    .await;
    let lines = rig.json(&["export", "--since", "2026-01-01"]).await;
    let keys: Vec<u32> = lines.iter().map(|line| line["key"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(keys, (1..=1234).collect::<Vec<_>>());
}

async fn export_to_a_file_leaves_the_old_one_until_it_is_complete(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let file = rig.sexton.write("audit.jsonl", "old\n");
    let args = ["export", "--since", "1d", "--output", file.to_str().unwrap()];
    rig.request_block().await;
    rig.work().await;
    rig.execute("alter table sexton_attempt rename to sexton_attempt_away").await;
    let failed = rig.run(&args).await.expect_code(1).stderr;
    // What the database says, once and without the driver's headings.
    assert_eq!((failed.lines().count(), failed.matches("sexton_attempt").count()), (1, 1), "{failed}");
    assert!(failed.contains("cannot read failed attempts: ") && !failed.contains("rror: "), "{failed}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old\n");
    rig.execute("alter table sexton_attempt_away rename to sexton_attempt").await;
    let said = rig.run(&args).await.expect_code(0);
    assert!(said.stdout.is_empty() && said.stderr.contains("wrote 1 deletions"), "{said:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    let line: Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
    assert_eq!(line["key"], "1");
    let left: Vec<_> = std::fs::read_dir(rig.sexton.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    let nowhere = rig.run(&["export", "--since", "1d", "--output", "no/such/dir/x"]).await.expect_code(1).stderr;
    assert!(nowhere.contains("cannot write no/such/dir/x"), "{nowhere}");
}

async fn export_refuses_what_is_no_time(server: Server) {
    let rig = Rig::blocks(server, 0).await;
    for (since, said) in [
        ("yesterday", "neither a time such as"),
        ("2026-01-31T12:00:00", "neither a time such as"),
        ("2026-13-01", "--since: there is no such time"),
        ("2026-01-31T25:00:00Z", "--since: there is no such time"),
    ] {
        let refused = rig.run(&["export", "--since", since]).await.expect_code(2).stderr;
        assert!(refused.contains(said), "{since}: {refused}");
    }
    drop(rig.run(&["export"]).await.expect_code(2));
}
