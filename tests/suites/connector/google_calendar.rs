//! The `google_calendar` connector against a server that acts as Google: row by row against the table in
//! docs/connectors/google_calendar.md, and its credentials.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use sexton_tests::{
    api::{Answer, Api, Behaviour, Call},
    clients,
};

use super::rig::Rig;

const TOKEN: &str = "/token";

/// Grants tokens `t1`, `t2`, …; every calendar is visible, every event can be deleted.
fn acts_as_google(api: &Api) {
    let granted = AtomicUsize::new(0);
    api.set_default(Behaviour::With(Arc::new(move |call: &Call| match call.path() {
        TOKEN => {
            let n = granted.fetch_add(1, Ordering::SeqCst) + 1;
            // Proxies and emulators write numbers as texts.
            Answer::StatusBody(200, json!({ "access_token": format!("t{n}"), "expires_in": "3600" }).to_string())
        }
        _ if call.method == "GET" => Answer::StatusBody(200, r#"{"kind":"calendar#events"}"#.into()),
        _ => Answer::Status(204),
    })));
}

fn error(status: u16, reason: &str) -> Answer {
    let body =
        json!({ "error": { "code": status, "message": "of Ann", "errors": [{ "domain": "x", "reason": reason }] } });
    Answer::StatusBody(status, body.to_string())
}

fn refused(status: u16, code: &str) -> Answer {
    Answer::StatusBody(status, json!({ "error": code, "error_description": "of Ann" }).to_string())
}

fn target(api: &Api, more: &str) -> String {
    format!(
        "kind = 'google_calendar'\ncalendar = '{{place}}'\nevent = '{{name}}'\ncredentials_file = 'google.json'\n\
         endpoint = '{}'\n{more}\n",
        api.url()
    )
}

fn a_user(api: &Api, secret: &str) -> String {
    let user = json!({
        "type": "authorized_user", "client_id": "app", "client_secret": "cs&=", "refresh_token": secret,
        "token_uri": format!("{}{TOKEN}", api.url()),
    });
    user.to_string()
}

async fn rig_with_user(api: &Api, more: &str) -> Rig {
    acts_as_google(api);
    let rig = Rig::new(&target(api, more)).await;
    rig.sexton.write("google.json", &a_user(api, "r1"));
    rig
}

fn event(name: &str) -> String {
    format!("/calendar/v3/calendars/ann%40example.org/events/{name}")
}

/// What an event answers to `DELETE` (and what then `calendars/…/events` answers), and what becomes of the deletion. An
/// attempt that is given back is followed by calls that succeed.
fn documented() -> Vec<(Answer, Option<Answer>, &'static str)> {
    let deleted = "completed deleted 204";
    let visible = || Some(Answer::StatusBody(200, r#"{"kind":"calendar#events"}"#.into()));
    let with = |status, name: &str, value: &str| Answer::WithHeaders(status, vec![(name.into(), value.into())]);
    vec![
        (Answer::Status(204), None, deleted),
        (Answer::Status(200), None, "completed deleted 200"),
        (error(410, "deleted"), None, "completed gone 410"),
        (error(410, "fullSyncRequired"), None, "dead: rejected 410 fullSyncRequired"),
        (Answer::Status(410), None, "dead: rejected 410 http_410"),
        (error(404, "notFound"), visible(), "completed gone 404"),
        (error(404, "notFound"), Some(error(404, "notFound")), "dead: rejected 404 calendar_not_visible"),
        (error(404, "notFound"), Some(error(403, "forbidden")), deleted),
        (error(404, "notFound"), Some(error(403, "rateLimitExceeded")), deleted),
        (error(404, "notFound"), Some(error(500, "backendError")), "dead: exhausted 500 backendError"),
        (error(404, "notFound"), Some(Answer::Status(204)), "dead: rejected 204 calendar_not_visible"),
        (
            error(404, "notFound"),
            Some(Answer::StatusBody(200, "<html>".into())),
            "dead: rejected 200 calendar_not_visible",
        ),
        (error(403, "rateLimitExceeded"), None, deleted),
        (error(403, "userRateLimitExceeded"), None, deleted),
        (error(403, "quotaExceeded"), None, deleted),
        (error(403, "dailyLimitExceeded"), None, deleted),
        (error(403, "calendarLimitExceeded"), None, deleted),
        (error(429, "rateLimitExceeded"), None, deleted),
        (with(503, "retry-after", "0"), None, deleted),
        (error(403, "forbidden"), None, deleted),
        (error(403, "insufficientPermissions"), None, deleted),
        (error(403, "forbiddenForNonOrganizer"), None, "dead: rejected 403 forbiddenForNonOrganizer"),
        (error(401, "authError"), None, deleted),
        (error(400, "invalid"), None, "dead: rejected 400 invalid"),
        (error(409, "conflict"), None, "dead: rejected 409 conflict"),
        (error(412, "conditionNotMet"), None, "dead: rejected 412 conditionNotMet"),
        (error(500, "backendError"), None, "dead: exhausted 500 backendError"),
        (Answer::Status(408), None, "dead: exhausted 408 http_408"),
        (Answer::Reset, None, "dead: exhausted - connection_lost"),
        (Answer::Status(502), None, "dead: exhausted 502 http_502"),
        (Answer::Status(504), None, "dead: exhausted 504 http_504"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_leads_where_it_is_documented() {
    let api = Api::start().await;
    let mut rig = rig_with_user(&api, "").await;
    let answers = documented();
    let mut keys = Vec::new();
    for (n, (answer, of_calendar, _)) in answers.iter().enumerate() {
        let calendar = format!("c{n}");
        keys.push(rig.row(&calendar, &format!("e{n}"), None).await);
        api.script(&format!("/calendar/v3/calendars/{calendar}/events/e{n}?sendUpdates=none"), vec![answer.clone()]);
        if let Some(answer) = of_calendar {
            api.script(&format!("/calendar/v3/calendars/{calendar}/events"), vec![answer.clone()]);
        }
    }
    for ((n, (answer, _, wanted)), told) in answers.iter().enumerate().zip(rig.delete(&keys).await) {
        assert_eq!(told, *wanted, "row {n}: {answer:?}");
    }
    let asked = api.log().into_iter().filter(|call| call.method == "GET");
    for call in asked {
        assert!(call.path_and_query.ends_with("/events?maxResults=1&fields=kind"), "{call:?}");
    }
}

/// A service account would act for a user of that name, and not for the row's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_read_no_column_are_refused_if_they_name_one() {
    let api = Api::start().await;
    let rig = rig_with_user(&api, "").await;
    for (setting, key) in [("subject = '{place}'", "subject"), ("scope = '{place}'", "scope")] {
        rig.reconfigure(&target(&api, setting));
        let output = rig.run(&["check"]).await.expect_code(2);
        let why = format!("targets[0].{key}: `{{place}}` names no column here");
        assert!(output.stderr.contains(&why), "{}", output.stderr);
    }
}

/// The user's own calendar would answer in the place of Ann's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_cannot_act_for_another_user() {
    let api = Api::start().await;
    let mut rig = rig_with_user(&api, "subject = 'ann@example.org'\nretry = { give_up_after = '1s' }").await;
    let key = rig.row("primary", "e1", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: expired - subject_needs_service_account"]);
    assert!(api.log().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answer_of_a_call_that_must_not_be_repeated_is_for_people_to_look_at() {
    let api = Api::start().await;
    let mut rig = rig_with_user(&api, "repeatable = false").await;
    let key = rig.row("ann@example.org", "lost", None).await;
    api.script(&format!("{}?sendUpdates=none", event("lost")), vec![Answer::Reset]);
    assert_eq!(rig.delete(&[key]).await, ["dead: unknown_outcome - connection_lost"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_encoded_and_those_that_name_something_else_are_never_sent() {
    let api = Api::start().await;
    let mut rig = rig_with_user(&api, "send_updates = 'externalOnly'").await;
    let good = ["abc123", "abc123_20260101T100000Z", "a/b ?#%"];
    let mut keys = Vec::new();
    for name in good.into_iter().chain(["", ".."]) {
        keys.push(rig.row("ann@example.org", name, None).await);
    }
    let told = rig.delete(&keys).await;
    assert_eq!(told[..3], ["completed deleted 204"; 3]);
    assert!(told[3..].iter().all(|told| told.starts_with("dead: bad_template")), "{told:?}");
    let key = rig.row("ann%40example.org", "abc", None).await;
    api.script(
        "/calendar/v3/calendars/ann%2540example.org/events/abc?sendUpdates=externalOnly",
        vec![error(404, "notFound")],
    );
    assert_eq!(rig.delete(&[key]).await, ["dead: rejected 404 name_may_be_encoded"]);
    let mut calls: Vec<_> =
        api.log().into_iter().filter(|call| call.path() != TOKEN).map(|call| call.path_and_query).collect();
    calls.sort();
    let mut wanted = ["abc123", "abc123_20260101T100000Z", "a%2Fb%20%3F%23%25", "abc"]
        .map(|name| format!("{}?sendUpdates=externalOnly", event(name)));
    wanted[3] = wanted[3].replace("%40", "%2540");
    wanted.sort();
    assert_eq!(calls, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_is_fetched_once_for_many_calls_and_anew_when_it_is_refused() {
    let api = Api::start().await;
    let mut rig = rig_with_user(&api, "").await;
    let mut keys = Vec::new();
    for n in 0..20 {
        keys.push(rig.row("ann@example.org", &format!("e{n}"), None).await);
    }
    assert_eq!(rig.delete(&keys).await, ["completed deleted 204"; 20]);
    let asked = api.calls_to(TOKEN);
    assert_eq!(asked.len(), 1, "{asked:#?}");
    let form = String::from_utf8(asked[0].body.clone()).unwrap();
    assert_eq!(form, "grant_type=refresh_token&client_id=app&client_secret=cs%26%3D&refresh_token=r1");
    assert!(api.log().iter().skip(1).all(|call| call.header("authorization") == Some("Bearer t1")));
    let key = rig.row("ann@example.org", "revoked", None).await;
    api.script(&event("revoked"), vec![error(401, "authError")]);
    assert_eq!(rig.delete(&[key]).await, ["completed deleted 204"]);
    let used: Vec<_> =
        api.calls_to(&event("revoked")).iter().map(|call| call.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(used, ["Bearer t2", "Bearer t3"], "a new process, then a new token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_token_endpoint_refuses_waits_and_changed_credentials_count_at_once() {
    let api = Api::start().await;
    let mut rig = rig_with_user(&api, "retry = { give_up_after = '1s', max_attempts = 1 }").await;
    let cases = [
        (vec![refused(400, "invalid_grant"); 1000], "dead: expired 400 invalid_grant"),
        (vec![refused(401, "invalid_client"); 1000], "dead: expired 401 invalid_client"),
        (vec![Answer::Status(500)], "dead: exhausted 500 http_500"),
        (vec![Answer::Status(429)], "completed deleted 204"),
        (vec![Answer::StatusBody(200, "{}".into()), refused(403, "Ann Example")], "completed deleted 204"),
    ];
    for (n, (answers, wanted)) in cases.into_iter().enumerate() {
        let key = rig.row("ann@example.org", &format!("e{n}"), None).await;
        acts_as_google(&api);
        let always = (answers.len() > 2).then(|| answers[0].clone());
        match always {
            Some(answer) => api.set_default(Behaviour::Always(answer)),
            None => api.script(TOKEN, answers),
        }
        assert_eq!(rig.delete(&[key]).await, [wanted]);
    }
    acts_as_google(&api);
    for (text, wanted) in [
        ("{}", "dead: expired - credentials_file_unusable"),
        (
            r#"{"type":"service_account","client_email":"a@b","private_key":"no key"}"#,
            "dead: expired - bad_private_key",
        ),
        (
            r#"{"type":"authorized_user","client_id":"a","client_secret":"b","refresh_token":"c","token_uri":"d"}"#,
            "dead: expired - bad_token_uri",
        ),
    ] {
        rig.sexton.write("google.json", text);
        let key = rig.row("ann@example.org", "kept", None).await;
        assert_eq!(rig.delete(&[key]).await, [wanted]);
    }
    assert!(api.calls_to(&event("kept")).is_empty());
}

/// A key is rotated while a worker runs: it need not be started anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_read_again_when_the_file_changes() {
    let api = Api::start().await;
    let mut rig = rig_with_user(&api, "").await;
    let keys = [rig.row("ann@example.org", "e1", None).await, rig.row("ann@example.org", "e2", None).await];
    let patience = std::time::Duration::from_secs(60);
    let daemon = rig.sexton.spawn(&["run"]).await;
    daemon.wait_for_log("working", patience).await;
    drop(rig.run(&["request", "thing", &keys[0]]).await.expect_code(0));
    api.wait_until("first event", patience, |calls| calls.iter().any(|call| call.path() == event("e1"))).await;
    rig.sexton.write("google.json", &a_user(&api, "rotated"));
    drop(rig.run(&["request", "thing", &keys[1]]).await.expect_code(0));
    api.wait_until("second event", patience, |calls| calls.iter().any(|call| call.path() == event("e2"))).await;
    let asked = api.calls_to(TOKEN);
    assert_eq!(asked.len(), 2);
    assert!(String::from_utf8_lossy(&asked[1].body).ends_with("refresh_token=rotated"));
    assert_eq!(api.calls_to(&event("e2"))[0].header("authorization"), Some("Bearer t2"));
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/connector/rsa.py")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_account_signs_for_the_user_it_acts_for() {
    let api = Api::start().await;
    acts_as_google(&api);
    let mut rig = Rig::new(&target(&api, "subject = 'ann@example.org'")).await;
    let pem = clients::python(&program(), &["new"]).await.expect_code(0).stdout;
    let key_file = rig.sexton.write("key.pem", &pem);
    let token_uri = format!("{}{TOKEN}", api.url());
    let account = json!({
        "type": "service_account", "client_email": "robot@project.example", "private_key_id": "k1", "private_key": pem,
        "token_uri": token_uri, "project_id": "ignored",
    });
    rig.sexton.write("google.json", &account.to_string());
    let key = rig.row("primary", "e1", None).await;
    assert_eq!(rig.delete(&[key]).await, ["completed deleted 204"]);
    let form = String::from_utf8(api.calls_to(TOKEN)[0].body.clone()).unwrap();
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let assertion = form.strip_prefix(grant).unwrap();
    let key_file = key_file.display().to_string();
    let verified = clients::python(&program(), &["verify", &key_file, assertion]).await.expect_code(0).stdout;
    let [header, claims]: [Value; 2] = serde_json::from_str(&verified).unwrap();
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
    assert_eq!(claims["iss"], "robot@project.example");
    assert_eq!(claims["sub"], "ann@example.org");
    assert_eq!(claims["aud"], token_uri);
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/calendar.events");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_is_gone_if_it_says_that_it_is_cancelled() {
    let api = Api::start().await;
    let mut rig = rig_with_user(&api, "").await;
    let key = rig.row("ann@example.org", "e1", None).await;
    assert_eq!(rig.delete(&[key]).await, ["completed deleted 204"]);
    let says_of = |id: &str, status: &str| Answer::StatusBody(200, json!({ "id": id, "status": status }).to_string());
    let says = |status: &str| says_of("e1", status);
    let visible = || Some(Answer::StatusBody(200, r#"{"kind":"calendar#events"}"#.into()));
    for (answer, of_calendar, seen) in [
        (says("cancelled"), None, "gone 1"),
        (says("confirmed"), None, "returned 1"),
        (says("tentative"), None, "returned 1"),
        (says("unheard of"), None, "unanswered 1, unreadable_answer (200)"),
        (says_of("e2", "cancelled"), None, "unanswered 1, other_object (200)"),
        (Answer::StatusBody(200, r#"{"status":"cancelled"}"#.into()), None, "unanswered 1, unreadable_answer (200)"),
        (Answer::StatusBody(200, "<html>".into()), None, "unanswered 1, unreadable_answer (200)"),
        (error(410, "deleted"), None, "gone 1"),
        (error(404, "notFound"), visible(), "gone 1"),
        (error(404, "notFound"), Some(error(404, "notFound")), "unanswered 1, calendar_not_visible (404)"),
        (error(403, "forbidden"), None, "unanswered 1, forbidden (403)"),
        (error(500, "backendError"), None, "unanswered 1, backendError (500)"),
        (Answer::Reset, None, "unanswered 1, connection_lost"),
    ] {
        // A look is made again if its connection was lost.
        let again = if matches!(answer, Answer::Reset) { vec![Answer::Reset] } else { Vec::new() };
        api.script(&format!("{}?fields=id,status", event("e1")), [vec![answer], again].concat());
        if let Some(answer) = of_calendar {
            api.script("/calendar/v3/calendars/ann%40example.org/events", vec![answer]);
        }
        assert_eq!(rig.look().await, seen);
    }
    api.script(&format!("{}?fields=id,status", event("e1")), vec![error(403, "rateLimitExceeded")]);
    assert_eq!(rig.look().await, "held 1");
}
