//! The `caldav` connector against servers that differ from Radicale: Xandikos, WsgiDAV and Apache's mod_dav.

use sexton_tests::{Apache, WsgiDav, Xandikos};

use super::{person::Person, rig::Rig};

fn target(collection: &str, more: &str) -> String {
    format!("kind = 'caldav'\nurl = '{collection}/{{name}}'\netag = '{{tag}}'\n{more}")
}

const NAMES: [&str; 5] = ["plain.ics", "a b.ics", "ann@example.org.ics", "it's.ics", "ünï.ics"];

/// Objects of every name go, and those that are not there are gone; a later look agrees.
async fn objects_are_deleted_and_missing_ones_are_gone(collection: &str) {
    let person = Person::at(collection);
    let mut rig = Rig::new(&target(collection, "")).await;
    let mut keys = Vec::new();
    for name in NAMES {
        person.put(name, "to go").await;
        person.put(&format!("kept {name}"), "kept").await;
        keys.push(rig.row("", name, None).await);
    }
    for told in rig.delete(&keys).await {
        assert!(told.starts_with("completed deleted 20"), "{told}");
    }
    for name in NAMES {
        assert!(!person.sees(name).await && person.sees(&format!("kept {name}")).await, "{name}");
    }
    let mut missing = Vec::new();
    for name in NAMES {
        missing.push(rig.row("", &format!("never {name}"), None).await);
    }
    assert_eq!(rig.delete(&missing).await, ["completed gone 404"; NAMES.len()]);
    assert_eq!(rig.look().await, "gone 10");
    person.put("a b.ics", "there again").await;
    assert_eq!(rig.look().await, "gone 9, returned 1");
}

/// Xandikos says that an object is gone in a `207`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_xandikos_are_deleted_and_missing_ones_are_gone() {
    let server = Xandikos::start().await;
    objects_are_deleted_and_missing_ones_are_gone(&server.calendar()).await;
    let mut rig = Rig::new(&target(&server.calendar().replace("/calendar", "/none"), "")).await;
    let key = rig.row("", "a.ics", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: rejected 404 collection_not_found"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_wsgidav_are_deleted_and_missing_ones_are_gone() {
    let server = WsgiDav::start().await;
    objects_are_deleted_and_missing_ones_are_gone(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_apache_are_deleted_and_missing_ones_are_gone() {
    let server = Apache::start().await;
    objects_are_deleted_and_missing_ones_are_gone(&server.url()).await;
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
