//! Cyrus, which says inside a 207 that an object is gone.

use sexton_tests::rare::Cyrus;

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
    let server = Cyrus::start().await;
    let url = format!("{}/cal", server.home());
    let person = Person::at(&url).with_password(Cyrus::USER, "any");
    assert_eq!(person.ask("MKCALENDAR", "/", "").await, 201);
    let habits = Habits { decodes_slashes: true, ..Habits::default() };
    objects_are_deleted_and_missing_ones_are_gone(&person, &url, AUTH, &NAMES, &habits).await;
    let patience = format!("{AUTH}retry = {{ give_up_after = '1s' }}");
    objects_go_by_the_names_that_the_server_gave_them(&person, &server.url(), &patience, &habits).await;
    person.put("kept.ics", "kept").await;
    let mut rig = Rig::new(&target(&server.home(), AUTH)).await;
    let keys = [rig.row("", "cal", Some("\"remembered\"")).await, rig.row("", "cal", None).await];
    assert_eq!(rig.delete(&keys).await, ["dead: rejected - is_a_collection"; 2]);
    assert!(person.sees("kept.ics").await);
}
