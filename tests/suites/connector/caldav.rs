//! The `caldav` connector against Radicale, and row by row against the table in docs/connectors/caldav.md.

use std::sync::Arc;

use sexton_tests::{
    Radicale,
    api::{Answer, Api, Behaviour, Call},
};

use super::{person::Person, rig::Rig};

async fn calendar(server: &Radicale, name: &str) -> Person {
    let person =
        Person::at(&format!("{}/sexton/{name}", server.url())).with_password(Radicale::USER, Radicale::PASSWORD);
    assert_eq!(person.ask("MKCALENDAR", "/", "").await, 201);
    person
}

fn target(server: &str, more: &str) -> String {
    format!(
        "kind = 'caldav'\nurl = '{server}/sexton/{{place}}/{{name}}'\netag = '{{tag}}'\n\
         auth = {{ basic = {{ user = '{}', password = '{}' }} }}\n{more}",
        Radicale::USER,
        Radicale::PASSWORD
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_with_any_name_are_really_gone_and_no_others() {
    let server = Radicale::start().await;
    let person = calendar(&server, "cal").await;
    let names =
        ["plain.ics", "a b.ics", "100%.ics", "%2F.ics", "x..y.ics", "%2e%2e", "ünï cødé.ics", "a+b&c;d.ics", "😀.ics"];
    let mut rig = Rig::new(&target(&server.url(), "")).await;
    let mut keys = Vec::new();
    for name in names {
        person.put(&format!("kept {name}"), "kept").await;
        if name != "%2e%2e" {
            person.put(name, "to go").await;
        }
        keys.push(rig.row("cal", name, None).await);
    }
    let told = rig.delete(&keys).await;
    for (name, told) in names.iter().zip(told) {
        match *name {
            // A proxy may decode it once more than we did.
            "%2e%2e" => assert!(told.starts_with("dead: bad_template"), "{told}"),
            _ => assert_eq!(told, "completed deleted 200", "{name}"),
        }
        assert!(!person.sees(name).await, "{name} is still there");
        assert!(person.sees(&format!("kept {name}")).await, "{name}'s neighbour is gone");
    }
    assert_eq!(rig.rows_left().await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_object_is_read_again_and_deleted() {
    let server = Radicale::start().await;
    let person = calendar(&server, "cal").await;
    let mut rig = Rig::new(&target(&server.url(), "")).await;
    person.put("changed.ics", "before").await;
    let old = person.etag("changed.ics").await;
    person.put("changed.ics", "after").await;
    assert_ne!(person.etag("changed.ics").await, old, "the ETag moved");
    person.put("same.ics", "the same").await;
    let same = person.etag("same.ics").await;
    let keys = [
        rig.row("cal", "changed.ics", Some(&old)).await,
        rig.row("cal", "same.ics", Some(same.trim_matches('"'))).await,
    ];
    assert_eq!(rig.delete(&keys).await, ["completed deleted 200"; 2]);
    assert!(!person.sees("changed.ics").await && !person.sees("same.ics").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_object_is_gone_only_where_its_collection_answers() {
    let server = Radicale::start().await;
    let person = calendar(&server, "cal").await;
    person.put("b.ics", "a neighbour").await;
    let mut rig = Rig::new(&target(&server.url(), "retry = { give_up_after = '1s' }")).await;
    let keys = [
        rig.row("cal", "never.ics", None).await,
        rig.row("cal", "never.ics", Some("\"remembered\"")).await,
        rig.row("cal", "a/b.ics", None).await,
        rig.row("no such calendar", "never.ics", None).await,
    ];
    let told = rig.delete(&keys).await;
    assert_eq!(told[..2], ["completed gone 404"; 2]);
    // Radicale decodes it before it looks at the path, and refuses the request.
    // It is `rejected` if others were answered between two refusals.
    assert!(["dead: expired 403 http_403", "dead: rejected 403 http_403"].contains(&told[2].as_str()), "{}", told[2]);
    assert_eq!(told[3], "dead: rejected 404 collection_not_found");
    let key = rig.row("cal", "ann%40example.org.ics", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: rejected 404 name_may_be_encoded"]);
    rig.reconfigure(&target(&server.url(), "gone = [404]"));
    let key = rig.row("cal", "ann%40example.org.ics", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: rejected 404 name_may_be_encoded"]);
    assert!(person.sees("b.ics").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calendar_is_deleted_only_if_collections_may_be() {
    let server = Radicale::start().await;
    let person = calendar(&server, "cal").await;
    person.put("a.ics", "in it").await;
    let whole = |more: &str| target(&server.url(), more).replace("{place}/{name}", "{place}/");
    let mut rig = Rig::new(&whole("")).await;
    // A weak ETag makes no condition, and so does not tell it from an object.
    for remembered in [None, Some("W/\"x\""), Some("\"x\"")] {
        let key = rig.row("cal", "-", remembered).await;
        assert_eq!(rig.delete(&[key]).await, ["dead: rejected - is_a_collection"]);
    }
    assert!(person.sees("a.ics").await);
    rig.reconfigure(&whole("collection = true"));
    let key = rig.row("cal", "-", None).await;
    assert_eq!(rig.delete(&[key]).await, ["completed deleted 200"]);
    assert!(!person.sees("a.ics").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_password_waits_instead_of_dying_and_the_file_is_read_anew() {
    let server = Radicale::start().await;
    let person = calendar(&server, "cal").await;
    person.put("a.ics", "kept").await;
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("password");
    std::fs::write(&file, "wrong\n").unwrap();
    let with_file = target(&server.url(), "retry = { give_up_after = '1s' }")
        .replace(&format!("password = '{}'", Radicale::PASSWORD), &format!("password_file = '{}'", file.display()));
    let mut rig = Rig::new(&with_file).await;
    let key = rig.row("cal", "a.ics", None).await;
    assert_eq!(rig.delete(std::slice::from_ref(&key)).await, ["dead: expired 401 http_401"]);
    assert!(person.sees("a.ics").await);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(rig.delete(std::slice::from_ref(&key)).await, ["dead: expired - credential_unreadable"]);
    std::fs::write(&file, format!("{}\n", Radicale::PASSWORD)).unwrap();
    assert_eq!(rig.delete(&[key]).await, ["completed deleted 200"]);
}

/// `@HREF@` stands for the path that is asked.
const OBJECT: &str = r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>@HREF@</d:href><d:propstat><d:prop><d:getetag>"1"</d:getetag>
    <d:resourcetype/></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#;

fn found(etag: &str) -> Answer {
    Answer::StatusBody(207, OBJECT.replace("\"1\"", etag))
}

/// With blank lines before the declaration, as some servers have them.
fn spaced(answer: Answer) -> Answer {
    let Answer::StatusBody(status, body) = answer else { panic!("{answer:?}") };
    Answer::StatusBody(status, format!("\n\n<?xml version=\"1.0\" encoding=\"utf-8\"?>{body}"))
}

fn collection() -> Answer {
    Answer::StatusBody(207, OBJECT.replace("<d:resourcetype/>", "<d:resourcetype><d:collection/></d:resourcetype>"))
}

/// An object at every path, and a collection at those that end with a slash.
fn tells_href() -> Behaviour {
    Behaviour::With(Arc::new(|call: &Call| match call.method.as_str() {
        "PROPFIND" if call.path().ends_with('/') => about(call.path(), collection()),
        "PROPFIND" => about(call.path(), found("\"1\"")),
        _ => Answer::Status(204),
    }))
}

fn responses(responses: &[(&str, &str)]) -> Answer {
    let one =
        |(href, s): &(&str, &str)| format!("<response><href>{href}</href><status>HTTP/1.1 {s} X</status></response>");
    let responses: String = responses.iter().map(one).collect();
    Answer::StatusBody(207, format!("<multistatus xmlns=\"DAV:\">{responses}</multistatus>"))
}

fn members(statuses: &[&str]) -> Answer {
    responses(&statuses.iter().map(|status| ("@HREF@/member", *status)).collect::<Vec<_>>())
}

/// The answer about the resource at this path.
fn about(path: &str, answer: Answer) -> Answer {
    match answer {
        Answer::StatusBody(status, body) => Answer::StatusBody(status, body.replace("@HREF@", path)),
        other => other,
    }
}

/// The answers that a path gives one after the other, beginning with that to `PROPFIND`; and what becomes of the
/// deletion. An attempt that is given back is followed by calls that succeed.
fn documented() -> Vec<(Vec<Answer>, &'static str)> {
    let deleted = |answer| vec![found("\"1\""), answer];
    let status = Answer::Status;
    let with = |status, name: &str, value: &str| Answer::WithHeaders(status, vec![(name.into(), value.into())]);
    vec![
        (deleted(status(204)), "completed deleted 204"),
        (deleted(members(&["200", "404", "410"])), "completed deleted 207"),
        (deleted(members(&["423"])), "dead: exhausted 207 member_423"),
        (deleted(members(&["424", "204"])), "dead: exhausted 207 member_424"),
        (deleted(members(&["500"])), "dead: exhausted 207 member_500"),
        (deleted(members(&["423", "403"])), "dead: rejected 207 member_403"),
        (deleted(members(&[])), "dead: rejected 207 unreadable_multistatus"),
        (deleted(responses(&[("@HREF@", "404")])), "completed gone 404"),
        (deleted(responses(&[("@HREF@", "200")])), "completed deleted 207"),
        (deleted(responses(&[("@HREF@", "423")])), "dead: exhausted 207 member_423"),
        (deleted(responses(&[("/sexton/cal/other.ics", "200")])), "dead: rejected 207 other_object"),
        (deleted(responses(&[("/sexton/cal/other.ics", "423")])), "dead: exhausted 207 member_423"),
        (deleted(responses(&[("/sexton/cal/other.ics", "200"), ("@HREF@", "423")])), "dead: rejected 207 other_object"),
        (deleted(responses(&[("@HREF@", "200"), ("@HREF@s", "200")])), "dead: rejected 207 other_object"),
        (vec![responses(&[("@HREF@", "404")])], "completed gone 404"),
        (vec![responses(&[("http://elsewhere@HREF@", "404")])], "completed gone 404"),
        (vec![responses(&[("/sexton/cal/other.ics", "404")])], "dead: rejected 207 other_object"),
        (vec![responses(&[("@HREF@", "500")])], "dead: exhausted 500 http_500"),
        (vec![responses(&[("@HREF@", "403")])], "completed deleted 204"),
        (vec![about("/sexton/cal/other.ics", found("\"1\""))], "dead: rejected 207 other_object"),
        (deleted(status(410)), "completed gone 410"),
        (vec![status(410)], "completed gone 410"),
        (deleted(status(404)), "completed gone 404"),
        (vec![status(404)], "completed gone 404"),
        (vec![found("\"1\""), status(412), found("\"2\""), status(204)], "completed deleted 204"),
        (vec![found("\"1\""), status(412), status(404)], "completed gone 404"),
        (
            [status(412), status(412), status(412)].into_iter().flat_map(|answer| [found("\"1\""), answer]).collect(),
            "dead: exhausted 412 etag_keeps_changing",
        ),
        (vec![found("W/\"1\""), status(412)], "dead: rejected 412 http_412"),
        (vec![collection()], "dead: rejected - is_a_collection"),
        (vec![status(405), with(200, "etag", "\"1\""), status(204)], "completed deleted 204"),
        (vec![status(501), status(404)], "completed gone 404"),
        (vec![spaced(found("\"1\"")), status(204)], "completed deleted 204"),
        (vec![Answer::StatusBody(207, "<html/>".into())], "dead: rejected 207 unreadable_multistatus"),
        (vec![status(200)], "dead: rejected 200 no_multistatus"),
        (deleted(status(423)), "dead: exhausted 423 http_423"),
        (deleted(status(424)), "dead: exhausted 424 http_424"),
        (deleted(status(408)), "dead: exhausted 408 http_408"),
        (deleted(status(500)), "dead: exhausted 500 http_500"),
        (deleted(status(507)), "dead: exhausted 507 http_507"),
        (deleted(Answer::Reset), "dead: exhausted - connection_lost"),
        (deleted(status(502)), "dead: exhausted 502 http_502"),
        (deleted(status(504)), "dead: exhausted 504 http_504"),
        (vec![status(500)], "dead: exhausted 500 http_500"),
        (vec![Answer::Reset], "completed deleted 204"),
        (vec![Answer::Reset, Answer::Reset], "dead: exhausted - connection_lost"),
        (vec![status(405), status(500)], "dead: exhausted 500 http_500"),
        (vec![status(405), Answer::Reset, Answer::Reset], "dead: exhausted - connection_lost"),
        (deleted(status(429)), "completed deleted 204"),
        (deleted(with(503, "retry-after", "0")), "completed deleted 204"),
        (deleted(status(401)), "completed deleted 204"),
        (deleted(status(403)), "completed deleted 204"),
        (vec![status(401)], "completed deleted 204"),
        (deleted(status(409)), "dead: rejected 409 http_409"),
        (deleted(with(301, "location", "/elsewhere")), "dead: rejected 301 redirect_changes_method"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_leads_where_it_is_documented() {
    let api = Api::start().await;
    api.set_default(tells_href());
    let mut rig = Rig::new(&target(&api.url(), "")).await;
    let answers = documented();
    let mut keys = Vec::new();
    for (n, (answers, _)) in answers.iter().enumerate() {
        keys.push(rig.row("cal", &format!("{n}.ics"), None).await);
        let path = format!("/sexton/cal/{n}.ics");
        api.script(&path, answers.iter().map(|answer| about(&path, answer.clone())).collect());
    }
    for ((n, (answers, wanted)), told) in answers.iter().enumerate().zip(rig.delete(&keys).await) {
        assert_eq!(told, *wanted, "row {n}: {answers:?}");
    }
    let deletes = api.log().into_iter().filter(|call| call.method == "DELETE");
    for call in deletes.filter(|call| call.header("if-match").is_none()) {
        let answers = api.calls_to(call.path()).len();
        assert_eq!(answers, 2, "only a weak ETag makes no condition: {call:?}");
    }
}

/// Some servers leave an apostrophe out, or decode a name twice, and say which object they found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_that_the_server_took_for_another_is_left_alone() {
    let api = Api::start().await;
    api.set_default(Behaviour::With(Arc::new(|call: &Call| match call.method.as_str() {
        "PROPFIND" => about(&call.path().replace("%27", "").replace("%2540", "@"), found("\"1\"")),
        _ => Answer::Status(204),
    })));
    let mut rig = Rig::new(&target(&api.url(), "")).await;
    let keys = [rig.row("cal", "it's.ics", None).await, rig.row("cal", "a%40b.ics", None).await];
    assert_eq!(rig.delete(&keys).await, ["dead: rejected 207 other_object"; 2]);
    assert!(api.log().iter().all(|call| call.method == "PROPFIND"), "{:?}", api.log());
    assert_eq!(rig.rows_left().await, "2");
}

/// An object that is not there is gone only if its collection says so; what else the collection may answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_a_collection_leads_where_it_is_documented() {
    let api = Api::start().await;
    let answers = [
        ("is-none", found("\"1\""), "dead: rejected 207 collection_not_found"),
        ("another", about("/sexton/", collection()), "dead: rejected 207 other_object"),
        ("missing", responses(&[("@HREF@", "404")]), "dead: rejected 404 collection_not_found"),
        ("not-there", Answer::Status(404), "dead: rejected 404 collection_not_found"),
        ("old", Answer::Status(405), "dead: rejected 404 http_404"),
        ("older", Answer::Status(501), "dead: rejected 404 http_404"),
        ("broken", Answer::Status(500), "dead: exhausted 500 http_500"),
        // Others are answered between its refusals.
        ("forbidden", Answer::Status(403), "dead: rejected 403 http_403"),
    ];
    let by_place = answers.clone();
    api.set_default(Behaviour::With(Arc::new(move |call: &Call| {
        let of_collection = by_place.iter().find(|(place, ..)| call.path() == format!("/sexton/{place}/"));
        of_collection.map_or(Answer::Status(404), |(_, answer, _)| about(call.path(), answer.clone()))
    })));
    let mut rig = Rig::new(&target(&api.url(), "retry = { give_up_after = '1s' }")).await;
    let mut keys = Vec::new();
    for (place, ..) in &answers {
        keys.push(rig.row(place, "a.ics", None).await);
    }
    let told: Vec<_> = rig.delete(&keys).await.iter().map(|told| told.replace("expired", "rejected")).collect();
    assert_eq!(told, answers.map(|(_, _, wanted)| wanted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collection_is_known_by_its_url_where_there_is_no_propfind() {
    let api = Api::start().await;
    api.set_default(Behaviour::With(Arc::new(|call: &Call| {
        Answer::Status(if call.method == "PROPFIND" { 405 } else { 204 })
    })));
    let mut rig = Rig::new(&target(&api.url(), "").replace("{place}/{name}", "{place}/")).await;
    let key = rig.row("cal", "-", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: rejected - is_a_collection"]);
    assert!(api.log().iter().all(|call| call.method == "PROPFIND"));
}

/// The condition where the server tells no `ETag`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remembered_etag_is_used_where_the_server_tells_none() {
    let api = Api::start().await;
    api.set_default(tells_href());
    let mut rig = Rig::new(&target(&api.url(), "")).await;
    let cases = [("\"read\"", "\"read\""), ("", "\"kept\""), ("W/\"weak\"", "\"kept\"")];
    for (n, (read, sent)) in cases.into_iter().enumerate() {
        let path = format!("/sexton/cal/{n}.ics");
        api.script(&path, vec![about(&path, found(read))]);
        let key = rig.row("cal", &format!("{n}.ics"), Some("kept")).await;
        assert_eq!(rig.delete(&[key]).await, ["completed deleted 204"]);
        assert_eq!(api.log().last().unwrap().header("if-match"), Some(sent), "{read}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answer_of_a_call_that_must_not_be_repeated_is_for_people_to_look_at() {
    let api = Api::start().await;
    let mut rig = Rig::new(&target(&api.url(), "repeatable = false")).await;
    let lost = [
        (Answer::Reset, "dead: unknown_outcome - connection_lost"),
        (Answer::Status(502), "dead: unknown_outcome 502 http_502"),
    ];
    let mut keys = Vec::new();
    for (n, (answer, _)) in lost.iter().enumerate() {
        keys.push(rig.row("cal", &format!("{n}.ics"), None).await);
        let path = format!("/sexton/cal/{n}.ics");
        api.script(&path, vec![about(&path, found("\"1\"")), answer.clone()]);
    }
    assert_eq!(rig.delete(&keys).await, lost.map(|(_, wanted)| wanted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn condition_is_left_out_only_where_that_is_configured() {
    let api = Api::start().await;
    api.set_default(tells_href());
    let plain = target(&api.url(), "if_match = false").replace("etag = '{tag}'\n", "");
    let mut rig = Rig::new(&plain).await;
    let key = rig.row("cal", "a.ics", None).await;
    assert_eq!(rig.delete(&[key]).await, ["completed deleted 204"]);
    let calls: Vec<_> = api.log().iter().map(|call| (call.method.clone(), call.header("if-match").is_some())).collect();
    assert_eq!(calls, [("PROPFIND".to_owned(), false), ("DELETE".to_owned(), false)]);
    api.script("/sexton/cal/b.ics", vec![about("/sexton/cal/b.ics", collection())]);
    let key = rig.row("cal", "b.ics", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: rejected - is_a_collection"], "a condition is another matter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_do_not_go_together_are_refused() {
    let plain = "kind = 'caldav'\nurl = 'https://dav.example/{place}/{name}'\n";
    let rig = Rig::new(plain).await;
    for (more, why) in [
        ("auth = { basic = { user = 'a' } }", "targets[0].auth.basic.password: it is missing"),
        ("auth = { webhook = { secret_file = 'a' } }", "targets[0].auth: a WebDAV server knows no webhook signatures"),
        ("auth = { bearer = { token = 'a' } }\nheaders = { authorization = 'b' }", "targets[0].auth: `headers` has an"),
        ("etag = '{tag}'\nif_match = false", "targets[0].etag: it is of no use with if_match = false"),
        ("href = '/cal/a.ics'", "targets[0].href: it names no column"),
        ("gone = [401]", "targets[0].gone: 401, 403, 408 and 429 speak of the caller"),
        ("method = 'DELETE'", "unknown field: found `method`"),
    ] {
        rig.reconfigure(&format!("{plain}{more}"));
        let output = rig.run(&["check"]).await.expect_code(2);
        assert!(output.stderr.contains(why), "{more}: {}", output.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_that_is_there_again_is_seen() {
    let server = Radicale::start().await;
    let person = calendar(&server, "cal").await;
    let mut rig = Rig::new(&target(&server.url(), "")).await;
    let mut keys = Vec::new();
    for name in ["a.ics", "b b.ics"] {
        person.put(name, "to go").await;
        keys.push(rig.row("cal", name, None).await);
    }
    assert_eq!(rig.delete(&keys).await, ["completed deleted 200"; 2]);
    assert_eq!(rig.look().await, "gone 2");
    person.put("b b.ics", "there again").await;
    assert_eq!(rig.look().await, "gone 1, returned 1");
    // Where there is no calendar any more, nothing is known of what was in it.
    assert_eq!(person.ask("DELETE", "/", "").await, 200);
    assert_eq!(rig.look().await, "unanswered 2, collection_not_found (404)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_have_the_headers_of_the_settings() {
    let api = Api::start().await;
    let target = format!(
        "kind = 'caldav'\nurl = '{}/cal/{{name}}'\nheaders = {{ X-Place = '{{place}}' }}\nif_match = false",
        api.url()
    );
    let mut rig = Rig::new(&target).await;
    api.script("/cal/a.ics", vec![about("/cal/a.ics", found("\"1\""))]);
    let key = rig.row("here", "a.ics", None).await;
    assert_eq!(rig.delete(&[key]).await, ["completed deleted 204"]);
    for (answer, seen) in [
        (Answer::Status(410), "gone 1"),
        (Answer::Status(405), "returned 1"),
        (Answer::Status(500), "unanswered 1, http_500 (500)"),
        (Answer::Status(401), "unanswered 1, http_401 (401)"),
        (Answer::StatusBody(200, "hello".to_owned()), "unanswered 1, no_multistatus (200)"),
        (Answer::WithHeaders(429, vec![("retry-after".to_owned(), "0".to_owned())]), "held 1"),
    ] {
        // After 405 the object is asked for by HEAD, which the default answers.
        api.script("/cal/a.ics", vec![answer]);
        assert_eq!(rig.look().await, seen);
    }
    let looks = api.log();
    assert!(looks.iter().all(|call| call.header("x-place") == Some("here")), "{looks:#?}");
}
