//! What is sent: query, headers and body made of the row's values.

use serde_json::{Value, json};
use sexton_tests::api::Answer;

use super::{delete, request, thing, things};

const FULL: &str = r#"
method = "PURGE"
url = "@API@/things?fixed=1"
query = { mail = "{mail}", key = "${KEY}" }
headers = { X-Ref = "ref={ref}", X-Key = "${KEY}" }
body = { id = "{ref}", n = 1, deep = [{ mail = "<{mail}>", key = "${KEY}", braces = "{{mail}}" }] }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn query_headers_and_body_carry_the_values_of_the_row() {
    let mut rig = things(1, "url = \"@API@/things/{ref}\"").await;
    rig.sexton = rig.sexton.env("KEY", "s3{cret}").env("SEXTON_LOG", "trace");
    rig.reconfigure(&thing(FULL));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    let mail = "a\"},b&c=d é+\\{ref}";
    rig.execute(&format!("update thing set mail = '{mail}'")).await;
    let id = request(&rig, 1).await.remove(0);
    let output = rig.run(&["run", "--until-idle"]).await.expect_code(0);
    assert_eq!(rig.state(&id).await, "completed");
    let call = rig.api.log().remove(0);
    assert_eq!(call.method, "PURGE");
    let url = "/things?fixed=1&key=s3%7Bcret%7D&mail=a%22%7D%2Cb%26c%3Dd+%C3%A9%2B%5C%7Bref%7D";
    assert_eq!(call.path_and_query, url);
    assert_eq!((call.header("x-ref"), call.header("x-key")), (Some("ref=r1"), Some("s3{cret}")));
    assert_eq!(call.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let deep = json!({"mail": format!("<{mail}>"), "key": "s3{cret}", "braces": "{mail}"});
    assert_eq!(body, json!({"id": "r1", "n": 1, "deep": [deep]}));
    let shown = rig.run(&["show", &id, "--json"]).await.expect_code(0).stdout;
    for text in [&output.stdout, &output.stderr, &shown] {
        assert!(!text.contains("s3{cret"), "a secret is in the output:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_without_a_body_says_so_where_its_method_expects_one() {
    for (method, length) in [("POST", Some("0")), ("PUT", Some("0")), ("PATCH", Some("0")), ("DELETE", None)] {
        let settings = format!("method = \"{method}\"\nurl = \"@API@/things/{{ref}}\"");
        let rig = things(1, &settings).await;
        let id = request(&rig, 1).await.remove(0);
        rig.work().await;
        assert_eq!(rig.state(&id).await, "completed");
        assert_eq!(rig.api.log().remove(0).header("content-length"), length, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_type_may_be_another() {
    let settings =
        "url = \"@API@/x\"\nbody = { id = \"{ref}\" }\nheaders = { content-type = \"application/merge-patch+json\" }";
    let rig = things(1, settings).await;
    assert_eq!(delete(&rig).await.0, "completed");
    let call = rig.api.log().remove(0);
    let types: Vec<_> = call.headers.iter().filter(|(name, _)| name == "content-type").collect();
    assert_eq!(types, [&("content-type".to_owned(), "application/merge-patch+json".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_a_request_cannot_carry_are_dead_and_nothing_is_called() {
    let header = "url = \"@API@/x\"\nheaders = { X-Ref = \"{ref}\" }";
    let cases = [
        (
            header,
            "'a' || char(13) || char(10) || 'X-Admin: 1'",
            "column `ref` has a line break or NUL, which no header may carry",
        ),
        (header, "null", "column `ref` is null, and the request needs it"),
        ("url = \"@API@/x\"\nquery = { ref = \"{ref}\" }", "null", "column `ref` is null, and the request needs it"),
        ("url = \"@API@/x\"\nbody = { ref = \"{ref}\" }", "null", "column `ref` is null, and the request needs it"),
        (
            "url = \"@API@/x\"\nverify = { url = \"@API@/x/{ref}\", status = [404] }",
            "null",
            "column `ref` is null, and the URL needs it",
        ),
    ];
    let rig = things(1, header).await;
    for (settings, value, why) in cases {
        rig.reconfigure(&thing(settings));
        drop(rig.run(&["migrate"]).await.expect_code(0));
        rig.execute(&format!("update thing set ref = {value}")).await;
        let (state, error) = delete(&rig).await;
        assert_eq!((state.as_str(), error), ("dead: bad_template", format!("crm: {why}")), "{settings}");
    }
    assert_eq!(rig.calls(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn column_that_a_template_names_must_be_there() {
    for (setting, settings) in [
        ("query", "url = \"@API@/x\"\nquery = { a = \"{nope}\" }"),
        ("headers", "url = \"@API@/x\"\nheaders = { a = \"{nope}\" }"),
        ("body", "url = \"@API@/x\"\nbody = { a = [\"{nope}\"] }"),
        ("verify.url", "url = \"@API@/x\"\nverify = { url = \"@API@/{nope}\", status = [404] }"),
    ] {
        let rig = things(0, "url = \"@API@/x\"").await;
        rig.reconfigure(&thing(settings));
        let output = rig.run(&["check"]).await;
        let said = output.stdout + &output.stderr;
        assert!(output.code != 0 && said.contains(&format!("targets[0].{setting}")) && said.contains("nope"), "{said}");
    }
}

/// `DELETE /items?id=` may mean all items.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_value_is_sent_only_where_it_is_meant() {
    for settings in [
        "url = \"@API@/things?id={mail}\"",
        "url = \"@API@/things\"\nquery = { id = \"{mail}\" }",
        "url = \"@API@/things\"\nheaders = { X-Id = \"{mail}\" }",
        "url = \"@API@/things\"\nbody = { ids = [\"x{mail}\"] }",
        "url = \"@API@/{ref}\"\nverify = { url = \"@API@/look?id={mail}\", status = [404] }",
    ] {
        let rig = things(1, settings).await;
        rig.execute("update thing set mail = ''").await;
        let (state, why) = delete(&rig).await;
        assert_eq!(state, "dead: bad_template", "{settings}");
        assert!(why.contains("column `mail` is empty") && why.contains("allow_empty"), "{why}");
        assert_eq!((rig.calls(), rig.one("select count(*) from thing").await), (Vec::new(), "1".to_owned()));
        rig.reconfigure(&thing(&format!("{settings}\nallow_empty = [\"mail\"]")));
        rig.api.script("/look", vec![Answer::Status(404)]);
        let id = rig.one("select id from sexton_deletion").await;
        drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
        rig.work().await;
        assert_eq!(rig.state(&id).await, "completed", "{settings}");
    }
}

/// A value that is decoded until it no longer changes would hold a worker for minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_value_is_refused_at_once() {
    let rig = things(2, "url = \"@API@/things/{ref}\"").await;
    rig.execute(&format!("update thing set ref = '%{}41' where id = 1", "25".repeat(16 * 1024))).await;
    rig.execute("update thing set ref = '%2525252541' where id = 2").await;
    let ids = request(&rig, 2).await;
    rig.work().await;
    for (id, why) in ids.iter().zip(["has more than 2048 bytes", "is percent-encoded again and again"]) {
        assert_eq!(rig.state(id).await, "dead: bad_template");
        let error = rig.show(id).await["last_error"].as_str().unwrap().to_owned();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(rig.calls(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn target_says_how_long_a_value_may_be() {
    let rig = things(2, "url = \"@API@/things/{ref}\"\nmax_path_value = 8").await;
    rig.execute("update thing set ref = '123456789' where id = 1; update thing set ref = '12345678' where id = 2")
        .await;
    let ids = request(&rig, 2).await;
    rig.work().await;
    let states = [rig.state(&ids[0]).await, rig.state(&ids[1]).await];
    assert_eq!(states, ["dead: bad_template", "completed"]);
    assert_eq!(rig.calls(), ["DELETE /things/12345678"]);
}
