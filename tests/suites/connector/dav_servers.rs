//! The `caldav` connector against servers that differ from Radicale: Xandikos, WsgiDAV and Apache's mod_dav.

use sexton_tests::{Apache, Radicale, WsgiDav, Xandikos};

use super::{person::Person, rig::Rig};

pub(super) fn target(collection: &str, more: &str) -> String {
    format!("kind = 'caldav'\nurl = '{collection}/{{name}}'\netag = '{{tag}}'\n{more}")
}

pub(super) const NAMES: [&str; 5] = ["plain.ics", "a b.ics", "ann@example.org.ics", "it's.ics", "ünï.ics"];

/// What a server does that the others do not.
#[derive(Default)]
pub(super) struct Habits {
    /// How else deletions end whose name is encoded twice.
    pub(super) refusals: &'static [&'static str],
    /// It takes an encoded slash for a slash, so that a name encoded twice may be that of the object that was meant.
    pub(super) decodes_slashes: bool,
    /// It does not find all objects by the names that it gives them.
    pub(super) forgets_names: bool,
    /// It closes connections without a word, so that looks have no answer now and then.
    pub(super) drops_connections: bool,
}

impl Habits {
    async fn look(&self, rig: &Rig) -> String {
        let mut seen = rig.look().await;
        for _ in 0..10 {
            if !(self.drops_connections && seen.contains("unanswered")) {
                break;
            }
            seen = rig.look().await;
        }
        seen
    }
}

/// Objects of every name go, and those that are not there are gone; a later look agrees.
pub(super) async fn objects_are_deleted_and_missing_ones_are_gone(
    person: &Person,
    collection: &str,
    more: &str,
    names: &[&str],
    habits: &Habits,
) {
    let mut rig = Rig::new(&target(collection, more)).await;
    let mut keys = Vec::new();
    for name in names {
        person.put(name, "to go").await;
        person.put(&format!("kept {name}"), "kept").await;
        keys.push(rig.row("", name, None).await);
    }
    for (name, told) in names.iter().zip(rig.delete(&keys).await) {
        assert!(told.starts_with("completed deleted 20"), "{name}: {told}");
    }
    for name in names {
        assert!(!person.sees(name).await && person.sees(&format!("kept {name}")).await, "{name}");
    }
    let mut missing = Vec::new();
    for name in names {
        missing.push(rig.row("", &format!("never {name}"), None).await);
    }
    assert_eq!(rig.delete(&missing).await, vec!["completed gone 404"; names.len()]);
    assert_eq!(habits.look(&rig).await, format!("gone {}", 2 * names.len()));
    person.put("a b.ics", "there again").await;
    assert_eq!(habits.look(&rig).await, format!("gone {}, returned 1", 2 * names.len() - 1));
}

/// Xandikos says that an object is gone in a `207`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_xandikos_are_deleted_and_missing_ones_are_gone() {
    let server = Xandikos::start().await;
    objects_are_deleted_and_missing_ones_are_gone(
        &Person::at(&server.calendar()),
        &server.calendar(),
        "",
        &NAMES,
        &Habits::default(),
    )
    .await;
    let mut rig = Rig::new(&target(&server.calendar().replace("/calendar", "/none"), "")).await;
    let key = rig.row("", "a.ics", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: rejected 404 collection_not_found"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_wsgidav_are_deleted_and_missing_ones_are_gone() {
    let server = WsgiDav::start().await;
    objects_are_deleted_and_missing_ones_are_gone(
        &Person::at(&server.url()),
        &server.url(),
        "",
        &NAMES,
        &Habits::default(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_apache_are_deleted_and_missing_ones_are_gone() {
    let server = Apache::start().await;
    objects_are_deleted_and_missing_ones_are_gone(
        &Person::at(&server.url()),
        &server.url(),
        "",
        &NAMES,
        &Habits::default(),
    )
    .await;
}

/// WsgiDAV deletes a collection although `If-Match` does not match.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collection_stays_where_the_server_ignores_the_condition() {
    let server = WsgiDav::start().await;
    let person = Person::at(&server.url());
    assert_eq!(person.ask("MKCOL", "/calendar", "").await, 201);
    let mut rig = Rig::new(&target(&server.url(), "")).await;
    let keys = [rig.row("", "calendar", Some("\"remembered\"")).await, rig.row("", "calendar", None).await];
    assert_eq!(rig.delete(&keys).await, ["dead: rejected - is_a_collection"; 2]);
    let mut rig = Rig::new(&target(&server.url(), "if_match = false").replace("etag = '{tag}'\n", "")).await;
    let key = rig.row("", "calendar", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: rejected - is_a_collection"]);
    assert_eq!(person.ask("PROPFIND", "/calendar", "").await, 207, "it is still there");
}

/// A client keeps what the server calls its objects. Put into a template, such a name is encoded twice: the object
/// under it is not there, and the collection answers.
pub(super) async fn objects_go_by_the_names_that_the_server_gave_them(
    person: &Person,
    server: &str,
    more: &str,
    habits: &Habits,
) {
    let by_href = format!("kind = 'caldav'\nurl = '{server}/'\nhref = '{{name}}'\n{more}");
    let by_name = format!("kind = 'caldav'\nurl = '{server}/{{name}}'\n{more}");
    let mut rig = Rig::new(&by_name).await;
    let (mut hrefs, mut keys) = (Vec::new(), Vec::new());
    for name in ["a b.ics", "ann@example.org.ics", "ünï.ics", "100%25.ics", "a+b&c;d.ics"] {
        person.put(name, "to go").await;
        let href = person.href(name).await;
        let path = href.strip_prefix(server).unwrap_or(&href).trim_start_matches('/').to_owned();
        let is_known = !habits.forgets_names || person.finds(&format!("{server}/{path}")).await;
        if path.contains(['/', '%']) && is_known {
            keys.push(rig.row("", &path, None).await);
            hrefs.push((name, href));
        }
    }
    assert!(hrefs.len() >= 3, "{hrefs:?}");
    let mut stay = Vec::new();
    for ((name, href), told) in hrefs.into_iter().zip(rig.delete(&keys).await) {
        if habits.decodes_slashes && told.starts_with("completed deleted 20") {
            assert!(!person.sees(name).await, "{name}");
            continue;
        }
        // Some refuse an encoded slash.
        let mut refusals = ["rejected 404 name_may_be_encoded", "expired 403"].iter().chain(habits.refusals);
        assert!(refusals.any(|refusal| told.starts_with(&format!("dead: {refusal}"))), "{name}: {told}");
        assert!(person.sees(name).await, "{name}");
        stay.push((name, href));
    }
    assert_eq!(rig.rows_left().await, stay.len().to_string(), "no row goes although its twin is there");
    let hrefs = stay;
    let mut rig = Rig::new(&by_href).await;
    let mut keys = Vec::new();
    for (_, href) in &hrefs {
        keys.push(rig.row("", href, None).await);
    }
    for ((name, href), told) in hrefs.iter().zip(rig.delete(&keys).await) {
        assert!(told.starts_with("completed deleted 20"), "{name}, {href}: {told}, seen: {}", person.sees(name).await);
        assert!(!person.sees(name).await, "{href}");
    }
    assert_eq!(habits.look(&rig).await, format!("gone {}", hrefs.len()));
    // What the server does not know any more is gone.
    let key = rig.row("", &hrefs[0].1, None).await;
    assert_eq!(rig.delete(&[key]).await, ["completed gone 404"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_radicale_go_by_its_own_names() {
    let server = Radicale::start().await;
    let (user, password) = (Radicale::USER, Radicale::PASSWORD);
    let person = Person::at(&format!("{}/{user}/cal", server.url())).with_password(user, password);
    assert_eq!(person.ask("MKCALENDAR", "/", "").await, 201);
    let auth = format!(
        "auth = {{ basic = {{ user = '{user}', password = '{password}' }} }}\nretry = {{ give_up_after = '1s' }}"
    );
    objects_go_by_the_names_that_the_server_gave_them(&person, &server.url(), &auth, &Habits::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_wsgidav_go_by_its_own_names() {
    let server = WsgiDav::start().await;
    objects_go_by_the_names_that_the_server_gave_them(
        &Person::at(&server.url()),
        &server.url(),
        "",
        &Habits::default(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_apache_go_by_its_own_names() {
    let server = Apache::start().await;
    objects_go_by_the_names_that_the_server_gave_them(
        &Person::at(&server.url()),
        &server.url(),
        "",
        &Habits::default(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_could_mean_something_else_are_never_sent() {
    let api = sexton_tests::api::Api::start().await;
    let target = format!("kind = 'caldav'\nurl = '{}/cal/{{place}}/'\nhref = '{{name}}'\n", api.url());
    let mut rig = Rig::new(&target).await;
    let mut keys = Vec::new();
    for href in
        ["/cal/bob/a.ics", "/cal/ann/../bob/a.ics", "http://elsewhere.example/cal/ann/a.ics", "/cal/ann/a b.ics", ""]
    {
        keys.push(rig.row("ann", href, None).await);
    }
    for told in rig.delete(&keys).await {
        assert!(told.starts_with("dead: bad_template"), "{told}");
    }
    assert!(api.log().is_empty(), "{:?}", api.log());
}
