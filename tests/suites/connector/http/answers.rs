//! The table of answers in docs/connectors.md, row by row.

use std::fmt::Write as _;

use serde_json::Value;
use sexton_tests::api::Answer;

use super::{delete, request, things};
use crate::rig::{Rig, Server};

const DOCUMENT: &str = include_str!("../../../../docs/connectors.md");

struct Row {
    settings: String,
    answer: String,
    meaning: String,
}

fn documented() -> Vec<Row> {
    let table = DOCUMENT.split("| settings | answer | meaning |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [settings, answer, meaning] = cells[..] else { panic!("{line}") };
        Row { settings: settings.replace("`, `", "\n"), answer: answer.to_owned(), meaning: meaning.to_owned() }
    })
    .collect()
}

/// `503 Retry-After: 0`, `200 {"deleted":true}`, `connection lost`.
fn answer(text: &str) -> Vec<Answer> {
    let answer = match text {
        "connection lost" => Answer::Reset,
        "no answer" => Answer::Hang,
        _ => {
            let (status, rest) = text.split_once(' ').unwrap_or((text, ""));
            let status = status.parse().unwrap();
            match rest.split_once(": ") {
                Some((name, value)) => Answer::WithHeaders(status, vec![(name.to_lowercase(), value.to_owned())]),
                None if rest.is_empty() => Answer::Status(status),
                None => Answer::StatusBody(status, rest.to_owned()),
            }
        }
    };
    // A redirect to itself, for as long as it is followed.
    vec![answer; if text.contains("?again") { 6 } else { 1 }]
}

/// As the document puts it.
fn meaning(record: &Value) -> String {
    if record["failed_attempts"].as_array().unwrap().is_empty() && record["last_error"].is_null() {
        return format!("confirmed: {}", record["confirmations"]["crm"]["answer"].as_str().unwrap());
    }
    let error = record["last_error"].as_str().unwrap();
    let reason = match error.split_once('(') {
        Some((_, reason)) => reason.trim_end_matches(')'),
        None => error.split_once(": ").unwrap().1,
    };
    format!("{}: {reason}", record["last_error_kind"].as_str().unwrap())
}

fn state(meaning: &str) -> &'static str {
    match meaning.split(':').next().unwrap() {
        "confirmed" | "throttled" | "unauthorized" => "completed",
        "retry" => "dead: exhausted",
        "rejected" => "dead: rejected",
        "unknown" => "dead: unknown_outcome",
        other => panic!("{other} is no meaning"),
    }
}

const WHEN: &str = "url = \"@API@/x/{ref}\"\nsuccess_when = { pointer = \"/deleted\", equals = true }";

/// What decides may come late in a long answer, compressed, or after a byte order mark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_that_decides_is_read_whatever_its_form() {
    let rig = things(4, WHEN).await;
    let long = |kilobytes: usize| format!(r#"{{"padding":"{}","deleted":true}}"#, "x".repeat(kilobytes * 1024));
    rig.api.script("/x/r1", vec![Answer::StatusBody(200, long(900))]);
    rig.api.script("/x/r2", vec![Answer::StatusBody(200, "\u{feff}{\"deleted\":true}".to_owned())]);
    let encoded = |encoding: &str, body: &[u8]| {
        Answer::Bytes(200, vec![("content-encoding".to_owned(), encoding.to_owned())], body.to_vec())
    };
    // `{"deleted":true}`
    let zipped = "1f8b08000000000002ffab564a49cd492d494d51b22a292a4dad0500847b672a10000000";
    let zipped: Vec<u8> =
        (0..zipped.len()).step_by(2).map(|n| u8::from_str_radix(&zipped[n..n + 2], 16).unwrap()).collect();
    rig.api.script("/x/r3", vec![encoded("gzip", &zipped)]);
    rig.api.script("/x/r4", vec![encoded("br", b"whatever"); 3]);
    let ids = request(&rig, 4).await;
    rig.work().await;
    for id in &ids[..3] {
        assert_eq!(rig.state(id).await, "completed", "{:#}", rig.show(id).await);
    }
    assert_eq!(rig.show(&ids[3]).await["last_error"], "crm answered 200 (answer_not_decoded)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_that_is_too_long_to_decide_is_named_so() {
    let rig = things(1, WHEN).await;
    let long = format!(r#"{{"deleted":true,"padding":"{}"}}"#, "x".repeat(1024 * 1024));
    rig.api.script("/x/r1", vec![Answer::StatusBody(200, long.clone()); 3]);
    assert_eq!(delete(&rig).await, ("dead: exhausted".to_owned(), "crm answered 200 (answer_too_long)".to_owned()));
    let rig = things(1, "url = \"@API@/x/{ref}\"").await;
    rig.api.script("/x/r1", vec![Answer::StatusBody(200, long)]);
    assert_eq!(delete(&rig).await.0, "completed", "here the status decides");
}

/// What is encoded already names another object when it is encoded once more, and that one is "gone".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gone_is_not_believed_of_a_name_that_may_have_been_encoded_twice() {
    let rig =
        things(3, "url = \"@API@/x/{ref}\"\ngone = [404]\nverify = { url = \"@API@/look/{ref}\", status = [404] }")
            .await;
    rig.execute("update thing set ref = 'ann%40example.org' where id < 3").await;
    rig.execute("update thing set ref = 'a/100% b' where id = 3").await;
    rig.api.script("/x/ann%2540example.org", vec![Answer::Status(404), Answer::Status(204)]);
    rig.api.script("/look/ann%2540example.org", vec![Answer::Status(404)]);
    rig.api.script("/x/a%2F100%25%20b", vec![Answer::Status(404)]);
    rig.api.script("/look/a%2F100%25%20b", vec![Answer::Status(404)]);
    let mut seen = Vec::new();
    for key in ["1", "2", "3"] {
        let id = rig.request("thing", &[key]).await.remove(0);
        rig.work().await;
        seen.push((rig.state(&id).await, rig.show(&id).await["last_error"].as_str().unwrap_or_default().to_owned()));
    }
    let refused = ("dead: rejected".to_owned(), "crm answered 404 (name_may_be_encoded)".to_owned());
    assert_eq!(seen, [refused.clone(), refused, ("completed".to_owned(), String::new())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_the_documented_table_is_true() {
    let rows = documented();
    assert!(rows.len() > 40, "{} rows", rows.len());
    let (mut tables, mut resources) =
        (String::new(), "[retry]\nmax_attempts = 1\ninitial_interval = \"1ms\"\nmax_interval = \"2s\"\n".to_owned());
    for (n, Row { settings, .. }) in rows.iter().enumerate() {
        write!(tables, "create table t{n} (id bigint primary key, deleted_at TIME_TYPE);").unwrap();
        write!(
            resources,
            "[resources.t{n}]\ntable = \"t{n}\"\nkey = \"id\"\nmarker = {{ column = \"deleted_at\" }}\n\
             [[resources.t{n}.targets]]\nname = \"crm\"\nkind = \"http\"\nurl = \"@API@/t{n}/{{id}}\"\n\
             timeout = \"2s\"\nallow_private = true\n{}\n\
             breaker = {{ probe_interval = \"20ms\", max_probe_interval = \"200ms\" }}\n",
            settings.replace("http://proxy:3128", "@API@")
        )
        .unwrap();
    }
    let rig = Rig::with(Server::sqlite().await, &tables, &resources).await;
    let mut ids = Vec::new();
    for (n, Row { answer: text, .. }) in rows.iter().enumerate() {
        rig.execute(&format!("insert into t{n} (id) values (1)")).await;
        // A proxy is asked for the whole URL.
        for path in [format!("/t{n}/1"), format!("{}/t{n}/1", rig.api.url())] {
            rig.api.script(&path, answer(text));
        }
        ids.push(rig.request(&format!("t{n}"), &["1"]).await.remove(0));
    }
    rig.work().await;
    for (Row { settings, answer, meaning: wanted }, id) in rows.iter().zip(ids) {
        let record = rig.show(&id).await;
        assert_eq!(meaning(&record), *wanted, "{settings} | {answer}: {record:#}");
        assert_eq!(rig.state(&id).await, state(wanted), "{settings} | {answer}: {record:#}");
    }
    assert!(!rig.calls().iter().any(|call| call.contains("elsewhere")), "no such redirect is followed");
    assert!(rig.calls().contains(&"DELETE /moved".to_owned()), "the method stays");
}
