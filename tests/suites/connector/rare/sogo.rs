//! SOGo, which ignores conditions.

use sexton_tests::rare::Sogo;

use crate::connector::{
    dav_servers::{
        Habits, NAMES, objects_are_deleted_and_missing_ones_are_gone,
        objects_go_by_the_names_that_the_server_gave_them, target,
    },
    person::Person,
    rig::Rig,
};

const AUTH: &str = "auth = { basic = { user = 'ann', password = 'any' } }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_go_and_calendars_stay() {
    let server = Sogo::start().await;
    let url = format!("{}/cal", server.home());
    let person = Person::at(&url).with_password(Sogo::USER, Sogo::PASSWORD).with_a_connection_for_each_request();
    assert_eq!(person.ask("MKCALENDAR", "/", "").await, 201);
    // It answers some requests with a page, and cuts its own names at a semicolon.
    let habits = Habits {
        refusals: &["rejected 200 no_multistatus"],
        forgets_names: true,
        drops_connections: true,
        ..Habits::default()
    };
    // It takes some names with an apostrophe for others, and says so (`other_object`).
    let names = NAMES.map(|name| if name == "it's.ics" { "its.ics" } else { name });
    objects_are_deleted_and_missing_ones_are_gone(&person, &url, AUTH, &names, &habits).await;
    let patience = format!("{AUTH}retry = {{ give_up_after = '1s' }}");
    objects_go_by_the_names_that_the_server_gave_them(&person, &server.url(), &patience, &habits).await;
    person.put("kept.ics", "kept").await;
    let mut rig = Rig::new(&target(&server.home(), AUTH)).await;
    let keys = [rig.row("", "cal", Some("\"remembered\"")).await, rig.row("", "cal", None).await];
    assert_eq!(rig.delete(&keys).await, ["dead: rejected - is_a_collection"; 2]);
    assert!(person.sees("kept.ics").await);
}
