//! lighttpd, nginx, rclone and webdav-server.

use sexton_tests::rare::{Rare, lighttpd, nginx, npm_webdav, rclone};

use crate::connector::{
    dav_servers::{
        Habits, NAMES, objects_are_deleted_and_missing_ones_are_gone,
        objects_go_by_the_names_that_the_server_gave_them, target,
    },
    person::Person,
    rig::Rig,
};

/// Objects go and collections stay, by whatever names and conditions.
async fn objects_go_and_collections_stay(server: &Rare) {
    let person = Person::at(&server.url());
    objects_are_deleted_and_missing_ones_are_gone(&person, &server.url(), "", &NAMES, &Habits::default()).await;
    objects_go_by_the_names_that_the_server_gave_them(&person, &server.url(), "", &Habits::default()).await;
    assert_eq!(person.ask("MKCOL", "/calendar/", "").await, 201);
    person.put_at("/calendar/a.ics", "inside").await;
    for etag in ["etag = '{tag}'\n", "if_match = false\n"] {
        let mut rig = Rig::new(&target(&server.url(), "").replace("etag = '{tag}'\n", etag)).await;
        let keys = [rig.row("", "calendar", Some("\"remembered\"")).await, rig.row("", "calendar", None).await];
        assert_eq!(rig.delete(&keys).await, ["dead: rejected - is_a_collection"; 2], "{etag}");
    }
    assert!(person.sees_at("/calendar/a.ics").await, "it is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_lighttpd_go_and_collections_stay() {
    objects_go_and_collections_stay(&lighttpd().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_nginx_go_and_collections_stay() {
    objects_go_and_collections_stay(&nginx().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_rclone_go_and_collections_stay() {
    objects_go_and_collections_stay(&rclone().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_webdav_server_go_and_collections_stay() {
    objects_go_and_collections_stay(&npm_webdav().await).await;
}

/// lighttpd answers 411 to a request that may have a body and says nothing of its length.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_without_a_body_says_so_to_lighttpd() {
    let server = lighttpd().await;
    let mut rig = Rig::new(&format!("kind = 'http'\nmethod = 'PUT'\nurl = '{}/{{name}}'\n", server.url())).await;
    let keys = [rig.row("", "emptied", None).await];
    assert_eq!(rig.delete(&keys).await, ["completed deleted 201"]);
    assert!(Person::at(&server.url()).sees("emptied").await);
}
