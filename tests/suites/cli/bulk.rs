//! `sexton request --where` and `--keys-from`: many rows, in batches, through interruptions.

use serde_json::{Value, json};
use sexton_tests::Sexton;

use crate::rig::{BLOCK, PATIENCE, RESOURCE, Rig, Server, config, on_both};

on_both!(
    live_rows_that_meet_a_condition_are_requested_in_batches,
    condition_asks_first_and_a_dry_run_changes_nothing,
    bad_condition_says_what_the_database_says_and_changes_nothing,
    condition_can_neither_write_nor_break_out,
    keys_come_from_a_file_and_those_without_a_row_are_reported,
    file_with_a_line_that_is_no_key_changes_nothing,
    killed_request_resumes_with_neither_gap_nor_repetition,
    killed_request_by_file_resumes_although_its_rows_are_gone,
    interrupted_request_ends_after_its_batch_and_says_how_to_go_on,
    composite_and_uuid_keys_page_in_key_order,
    rows_with_a_marker_of_their_own_kind_are_live_until_they_carry_it,
    row_that_the_database_refuses_keeps_no_other_from_it,
    byte_order_mark_is_no_part_of_a_key,
);

const MARKED: &str = "select count(*) from block where deleted_at is not null";
const BATCHES: &str = "select count(distinct batch_id), count(*) from sexton_deletion";

async fn bulk(rig: &Rig, args: &[&str]) -> Vec<Value> {
    rig.json(&[&["request", "block", "--json"], args].concat()).await
}

async fn live_rows_that_meet_a_condition_are_requested_in_batches(server: Server) {
    let rig = Rig::blocks(server, 25).await;
    rig.execute("update block set deleted_at = '2026-01-01T00:00:00Z' where id = 2").await;
    let lines =
        bulk(&rig, &["--where", "id <= 12 -- not the others", "--batch-size", "5", "--yes", "--by", "ann"]).await;
    let rows: Vec<_> = lines.iter().map(|line| line["rows"].as_u64().unwrap()).collect();
    assert_eq!(rows, [5, 5, 1, 11], "{lines:?}");
    assert_eq!(
        (&lines[3]["summary"], &lines[3]["created"], &lines[3]["missing"]),
        (&json!(true), &json!(11), &json!(0))
    );
    assert_eq!(rig.rows(MARKED).await, ["12"]);
    assert_eq!(rig.rows(BATCHES).await, ["1|11"]);
    assert_eq!(rig.rows("select count(*) from sexton_deletion where requested_by = 'ann'").await, ["11"]);
    assert_eq!(rig.rows("select count(*) from sexton_deletion where key = '2'").await, ["0"], "it carries its marker");
    let none = rig.run(&["request", "block", "--where", "id <= 12", "--yes"]).await.expect_code(0).stdout;
    assert!(none.starts_with("0 rows of block are requested"), "{none}");
    rig.work().await;
    assert_eq!(rig.calls().len(), 11);
}

async fn condition_asks_first_and_a_dry_run_changes_nothing(server: Server) {
    let rig = Rig::blocks(server, 12).await;
    let refused = rig.run(&["request", "block", "--where", "id > 1"]).await.expect_code(2).stderr;
    assert!(
        refused.contains("this would request the deletion of 11 rows of block; add --yes, or --dry-run"),
        "{refused}"
    );
    let told = rig.run(&["request", "block", "--where", "id > 1", "--dry-run"]).await.expect_code(0).stdout;
    assert_eq!(
        told,
        "would request 11 live rows of block, for example 2, 3, 4, 5, 6, 7, 8, 9, 10, 11; nothing was changed\n"
    );
    rig.execute("update block set deleted_at = '2026-01-01T00:00:00Z' where id = 2").await;
    let file = rig.sexton.write("keys", "1\n2\n\n999\r\n");
    let args = ["request", "block", "--keys-from", file.to_str().unwrap(), "--dry-run", "--json"];
    let told = rig.run(&args).await.expect_code(3);
    let wanted = json!({ "dry_run": true, "rows": 1, "marked": 1, "missing": 1, "sample": ["1"] });
    assert_eq!(serde_json::from_str::<Value>(&told.stdout).unwrap(), wanted);
    assert!(told.stderr.contains("1 keys have no row in block; nothing was changed"), "{}", told.stderr);
    for args in [
        &["request", "block"][..],
        &["request", "block", "1", "--where", "true"],
        &["request", "block", "1", "--keys-from", "keys"],
        &["request", "block", "--where", "true", "--keys-from", "keys"],
        &["request", "block", "--where", "true", "--batch-size", "0"],
        &["request", "block", "1", "--dry-run"],
    ] {
        drop(rig.run(args).await.expect_code(2));
    }
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
}

async fn bad_condition_says_what_the_database_says_and_changes_nothing(server: Server) {
    let rig = Rig::blocks(server, 3).await;
    for (condition, said) in [
        ("nosuch = 1", "nosuch"),
        ("id = ", "syntax error"),
        ("", "the condition is empty"),
        ("true) or (", "syntax error"),
        ("id = 1 /* open", if rig.server.is_postgres() { "unterminated" } else { "incomplete input" }),
    ] {
        let refused = rig.run(&["request", "block", "--where", condition, "--yes"]).await.expect_code(2).stderr;
        assert!(refused.contains("--where: ") && refused.contains(said), "{refused}");
    }
    if rig.server.is_postgres() {
        // It holds for the first rows and fails at the last.
        let late = rig.run(&["request", "block", "--where", "1 / (3 - id) < 9", "--batch-size", "1", "--yes"]).await;
        assert!(late.expect_code(2).stderr.contains("division by zero"));
    }
    assert_eq!(rig.rows(MARKED).await, ["0"]);
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
}

async fn condition_can_neither_write_nor_break_out(server: Server) {
    let rig = Rig::blocks(server, 3).await;
    rig.execute("update block set note = 'a;b', deleted_at = '2026-01-01T00:00:00Z' where id = 3").await;
    for condition in ["true)); delete from block; --", "true; delete from block", "id = 1;"] {
        let refused = rig.run(&["request", "block", "--where", condition, "--yes"]).await.expect_code(2).stderr;
        assert!(refused.contains("--where: ") && refused.contains(';'), "{refused}");
    }
    // It ends the parentheses that it stands in and begins others: rows with a marker are still not taken.
    let args = ["request", "block", "--where", "false) or (note = 'a;b'", "--dry-run", "--json"];
    assert_eq!(rig.json(&args).await[0]["rows"], 0);
    if rig.server.is_postgres() {
        rig.execute(
            "create function wipe() returns boolean language plpgsql as
             $$ begin delete from public.block; return true; end $$",
        )
        .await;
        let refused = rig.run(&["request", "block", "--where", "public.wipe()", "--yes"]).await.expect_code(2).stderr;
        assert!(refused.contains("read-only transaction"), "{refused}");
    }
    assert_eq!(rig.rows("select count(*) from block").await, ["3"]);
}

async fn keys_come_from_a_file_and_those_without_a_row_are_reported(server: Server) {
    let rig = Rig::blocks(server, 12).await;
    let keys: String = ["1", "2", "999", "2", "02", "-5", "3", "4", "5", "1"].map(|key| format!("{key}\n")).concat();
    let file = rig.sexton.write("keys", &keys);
    let args = ["request", "block", "--keys-from", file.to_str().unwrap(), "--batch-size", "3", "--json"];
    let output = rig.run(&args).await.expect_code(3);
    assert!(output.stderr.contains("block has no row with the key `999`"), "{}", output.stderr);
    assert!(output.stderr.contains("2 keys have no row in block; the others are requested"), "{}", output.stderr);
    let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.last().unwrap();
    assert_eq!((&summary["rows"], &summary["created"], &summary["missing"]), (&json!(5), &json!(5), &json!(2)));
    let missing: Vec<_> = lines.iter().flat_map(|line| line["missing_keys"].as_array().into_iter().flatten()).collect();
    assert_eq!(missing, ["999", "-5"]);
    assert_eq!(rig.rows("select key from sexton_deletion order by key").await, ["1", "2", "3", "4", "5"]);
    assert_eq!(rig.rows(BATCHES).await, ["1|5"]);
    // Standard input is empty here.
    drop(rig.run(&["request", "block", "--keys-from", "-"]).await.expect_code(0));
}

async fn file_with_a_line_that_is_no_key_changes_nothing(server: Server) {
    let rig = Rig::blocks(server, 3).await;
    for (text, said) in
        [("1\n2\nseven\n", "keys, line 3: `seven` is not a key"), ("1\n99999999999999999999\n", "line 2")]
    {
        let file = rig.sexton.write("keys", text);
        let args = ["request", "block", "--keys-from", file.to_str().unwrap(), "--batch-size", "1"];
        let refused = rig.run(&args).await.expect_code(2).stderr;
        assert!(refused.contains(said), "{refused}");
    }
    let refused = rig.run(&["request", "block", "--keys-from", "nosuch"]).await.expect_code(2).stderr;
    assert!(refused.contains("cannot read nosuch"), "{refused}");
    assert_eq!(rig.rows(MARKED).await, ["0"]);
}

/// Runs a command that aborts at a failpoint, and returns the batch id that it had printed.
async fn killed(sexton: &Sexton, args: &[&str]) -> String {
    let output = sexton.run(args).await.expect_code(134);
    let (_, id) = output.stderr.split_once("continue with --batch ").unwrap();
    id.lines().next().unwrap().to_owned()
}

fn mortal(rig: &Rig, resources: &str, point: &str) -> Sexton {
    Sexton::new(&config(rig.server.url(), &rig.api, resources)).env("FAILPOINTS", point)
}

async fn killed_request_resumes_with_neither_gap_nor_repetition(server: Server) {
    let rig = Rig::blocks(server, 20).await;
    let args = ["request", "block", "--where", "id <= 18", "--batch-size", "4", "--yes"];
    let batch = killed(&mortal(&rig, RESOURCE, "bulk::committed=1*off->return"), &args).await;
    assert_eq!(rig.rows(MARKED).await, ["8"]);
    // Meanwhile one of them is completed and one restored: it is live again, but was requested already.
    drop(rig.run(&["restore", "block", "2"]).await.expect_code(0));
    rig.execute("update sexton_deletion set run_at = '2100-01-01T00:00:00.000Z' where key <> '1'").await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
    let again = [&args[..], &["--batch", batch.as_str(), "--json"]].concat();
    assert_eq!(killed(&mortal(&rig, RESOURCE, "bulk::before=1*off->return"), &again).await, batch);
    assert_eq!(rig.rows(MARKED).await, ["9"], "the second batch of this try was not committed");
    let summary = rig.json(&again).await.pop().unwrap();
    assert_eq!((&summary["batch_id"], &summary["rows"], &summary["missing"]), (&json!(batch), &json!(7), &json!(0)));
    assert_eq!(rig.rows("select deleted_at from block where id = 2").await, ["-"]);
    let all = "select count(distinct batch_id), count(*), count(distinct key) from (
        select batch_id, key from sexton_deletion union all select batch_id, key from sexton_deletion_done) d";
    assert_eq!(rig.rows(all).await, ["1|18|18"]);
}

async fn killed_request_by_file_resumes_although_its_rows_are_gone(server: Server) {
    let resource = &RESOURCE[..RESOURCE.find("[[resources.block.targets]]").unwrap()];
    let rig = Rig::blocks_with(server, 6, resource).await;
    let file = rig.sexton.write("keys", "1\n2\n3\n4\n5\n999\n");
    let args = ["request", "block", "--keys-from", file.to_str().unwrap(), "--batch-size", "2"];
    let batch = killed(&mortal(&rig, resource, "bulk::committed=return"), &args).await;
    assert_eq!(rig.rows("select count(*) from block").await, ["4"], "nothing to call: the rows go at once");
    let output = rig.run(&[&args[..], &["--batch", &batch, "--json"]].concat()).await.expect_code(3);
    let summary: Value = serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["rows"], &summary["done_before"], &summary["missing"]), (&json!(3), &json!(2), &json!(1)));
    assert_eq!(rig.rows("select id from block").await, ["6"]);
}

async fn interrupted_request_ends_after_its_batch_and_says_how_to_go_on(server: Server) {
    let rig = Rig::with(server, BLOCK, RESOURCE).await;
    rig.execute(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
         insert into block (id, calendar_id, gcal_id) select i, 'c', 'g' || i from n",
    )
    .await;
    let args = ["request", "block", "--where", "id > 0 and 'it''s' <> ''", "--batch-size", "1", "--yes", "--json"];
    let command = rig.sexton.spawn(&args).await;
    command.wait_for_log("\"rows\":1", PATIENCE).await;
    command.signal("INT");
    assert_eq!(command.wait(PATIENCE).await, 1);
    let said: String = command.logs().iter().map(|line| format!("{}\n", line.text)).collect();
    let (_, how) = said.split_once("continue with:\n  sexton ").expect(&said);
    let words = ["request block --where ", "it''s", " --batch-size 1 --yes --json --batch "];
    assert!(words.iter().all(|word| how.contains(word)) && said.contains("interrupted"), "{said}");
    let marked: usize = rig.one(MARKED).await.parse().unwrap();
    assert!((1..3000).contains(&marked), "{marked} were marked");
    assert!(said.contains(&format!("{marked} rows of batch")), "{said}");
}

async fn composite_and_uuid_keys_page_in_key_order(server: Server) {
    let uuid = if server.is_postgres() { "uuid" } else { "uuid_text" };
    let tables = format!(
        "create table booking (tenant text not null, n integer not null, deleted_at TIME_TYPE, primary key (tenant, n));
         create table session (id {uuid} primary key, deleted_at TIME_TYPE)"
    );
    let resources = RESOURCE
        .replace("block", "booking")
        .replace("\"id\"", "[\"tenant\", \"n\"]")
        .replace("{calendar_id}/events/{gcal_id}", "{tenant}/events/{n}")
        + "[resources.session]\ntable = \"session\"\nkey = \"id\"\nmarker = { column = \"deleted_at\" }\ngrace = \"1h\"\n";
    let rig = Rig::with(server, &tables, &resources).await;
    for tenant in ["a", "b'c", "ü"] {
        for n in 1..=7 {
            rig.execute(&format!("insert into booking (tenant, n) values ('{}', {n})", tenant.replace('\'', "''")))
                .await;
        }
    }
    let args = ["request", "booking", "--where", "n > 1", "--batch-size", "5", "--yes", "--json"];
    let mortal = mortal(&rig, &resources, "bulk::committed=1*off->return");
    let batch = killed(&mortal, &args).await;
    let lines = rig.json(&[&args[..], &["--batch", &batch]].concat()).await;
    assert_eq!(lines.last().unwrap()["rows"], 8, "{lines:?}");
    assert_eq!(
        rig.rows("select count(*), count(distinct key), count(distinct batch_id) from sexton_deletion").await,
        ["18|18|1"]
    );
    for n in 0..10 {
        let id = format!("0000000{n}-0000-4000-8000-00000000000{n}");
        let blob = format!("x'{}'", id.replace('-', ""));
        let value = if rig.server.is_postgres() || n % 2 == 0 { format!("'{id}'") } else { blob };
        rig.execute(&format!("insert into session (id) values ({value})")).await;
    }
    let lines = rig.json(&["request", "session", "--where", "true", "--batch-size", "3", "--yes", "--json"]).await;
    assert_eq!(lines.last().unwrap()["created"], 10, "{lines:?}");
}

async fn rows_with_a_marker_of_their_own_kind_are_live_until_they_carry_it(server: Server) {
    let resource = RESOURCE.replace(
        "marker = { column = \"deleted_at\" }",
        "marker = { column = \"deleted_at\" }
         marker_when = [{ column = \"kind\", equals = \"T\", marker = { column = \"item_status\", value = \"Deleted\" } }]",
    );
    let rig = Rig::blocks_with(server, 6, &resource).await;
    rig.execute("update block set kind = 'T' where id in (1, 2, 3)").await;
    rig.execute("update block set item_status = 'Deleted' where id in (1, 4)").await;
    rig.execute("update block set deleted_at = '2026-01-01T00:00:00Z' where id in (2, 5)").await;
    drop(rig.run(&["request", "block", "--where", "true", "--yes"]).await.expect_code(0));
    assert_eq!(rig.rows("select key from sexton_deletion order by key").await, ["2", "3", "4", "6"]);
}

/// A trigger of the application refuses to mark some rows.
async fn protect(rig: &Rig, condition: &str) {
    let trigger = if rig.server.is_postgres() {
        format!(
            "create function protect() returns trigger language plpgsql as $$
             begin raise exception 'block % is protected', old.id; end $$;
             create trigger protect before update on block for each row when ({condition}) execute function protect()"
        )
    } else {
        format!(
            "create trigger protect before update on block when {condition}
             begin select raise(abort, 'it is protected'); end"
        )
    };
    rig.execute(&trigger).await;
}

async fn row_that_the_database_refuses_keeps_no_other_from_it(server: Server) {
    let rig = Rig::blocks(server, 40).await;
    protect(&rig, "old.id in (7, 23)").await;
    let args = ["request", "block", "--where", "true", "--batch-size", "16", "--yes"];
    let stopped = rig.run(&[&args[..], &["--fail-fast"]].concat()).await.expect_code(1).stderr;
    assert!(stopped.contains("continue with:"), "{stopped}");
    assert_eq!(rig.rows(MARKED).await, ["0"]);
    let refused = rig.run(&[&args[..], &["--json"]].concat()).await.expect_code(1);
    assert!(refused.stderr.contains("block 7 is not requested, the database refuses it"), "{}", refused.stderr);
    assert!(refused.stderr.contains("is protected") && refused.stderr.contains("refused 2 rows of block"));
    let all: Value = serde_json::from_str(refused.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&all["rows"], &all["created"], &all["refused"]), (&json!(38), &json!(38), &json!(2)));
    assert_eq!(rig.rows("select id from block where deleted_at is null order by id").await, ["7", "23"]);
    assert_eq!(rig.rows(BATCHES).await, ["1|38"]);
}

/// A reason that holds for all rows is not found out row by row.
#[tokio::test]
async fn right_that_is_missing_ends_the_command() {
    let rig = Rig::blocks(Server::postgres().await, 40).await;
    rig.execute(
        "create function protect() returns trigger language plpgsql as $$
         begin raise exception 'not for anybody' using errcode = 'insufficient_privilege'; end $$;
         create trigger protect before update on block for each row when (old.id = 30) execute function protect()",
    )
    .await;
    let args = ["request", "block", "--where", "id > 20", "--batch-size", "16", "--yes"];
    let refused = rig.run(&args).await.expect_code(1).stderr;
    assert!(refused.contains("refused 1 rows of block"), "one row alone: {refused}");
    rig.execute(
        "drop trigger protect on block;
         create trigger protect before update on block for each row execute function protect()",
    )
    .await;
    let args = ["request", "block", "--where", "id <= 20", "--batch-size", "16", "--yes"];
    let refused = rig.run(&args).await.expect_code(1).stderr;
    assert!(refused.contains("not for anybody") && refused.contains("continue with:"), "{refused}");
}

async fn byte_order_mark_is_no_part_of_a_key(server: Server) {
    let rig = Rig::blocks(server, 2).await;
    let file = rig.sexton.write("keys", "\u{feff}1\r\n2\r\n");
    let lines = bulk(&rig, &["--keys-from", file.to_str().unwrap()]).await;
    assert_eq!(lines.last().unwrap()["rows"], json!(2), "{lines:?}");
}
