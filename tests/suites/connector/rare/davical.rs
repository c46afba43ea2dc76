//! DAViCal, which ignores conditions, decodes paths twice, and has a 207 for what is locked.

use sexton_tests::rare::Davical;

use crate::connector::{
    dav_servers::{
        Habits, NAMES, objects_are_deleted_and_missing_ones_are_gone,
        objects_go_by_the_names_that_the_server_gave_them, target,
    },
    person::Person,
    rig::Rig,
};

const AUTH: &str = "auth = { basic = { user = 'admin', password = 'secret' } }\n";

/// A calendar and someone who uses it.
async fn calendar(server: &Davical) -> (String, Person) {
    let url = format!("{}/cal", server.home());
    let person = Person::at(&url).with_password(Davical::USER, Davical::PASSWORD);
    assert_eq!(person.ask("MKCALENDAR", "/", "").await, 201);
    (url, person)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_go_and_calendars_stay() {
    let server = Davical::start().await;
    let (url, person) = calendar(&server).await;
    let habits = Habits { refusals: &["rejected 207 other_object"], ..Habits::default() };
    objects_are_deleted_and_missing_ones_are_gone(&person, &url, AUTH, &NAMES, &habits).await;
    let patience = format!("{AUTH}retry = {{ give_up_after = '1s' }}");
    objects_go_by_the_names_that_the_server_gave_them(&person, &server.url(), &patience, &habits).await;
    person.put("kept.ics", "kept").await;
    let mut rig = Rig::new(&target(&server.home(), AUTH)).await;
    let keys = [rig.row("", "cal", Some("\"remembered\"")).await, rig.row("", "cal", None).await];
    assert_eq!(rig.delete(&keys).await, ["dead: rejected - is_a_collection"; 2]);
    assert!(person.sees("kept.ics").await);
}

/// It takes `x%41.ics` for `xA.ics`, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_under_a_name_that_is_decoded_twice_stays() {
    let server = Davical::start().await;
    let (url, person) = calendar(&server).await;
    person.put("xA.ics", "kept").await;
    let mut rig = Rig::new(&target(&url, AUTH)).await;
    let keys = [rig.row("", "x%41.ics", None).await];
    assert_eq!(rig.delete(&keys).await, ["dead: rejected 207 other_object"]);
    assert!(person.sees("xA.ics").await);
}

/// A `DELETE` of a locked object is answered with 207, and 423 in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_object_is_not_taken_for_deleted() {
    let server = Davical::start().await;
    let (url, person) = calendar(&server).await;
    person.put("locked.ics", "locked").await;
    let lock = "<?xml version='1.0'?><lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/>\
        </locktype><owner>ann</owner></lockinfo>";
    assert_eq!(person.ask("LOCK", "/locked.ics", lock).await, 200);
    let http = format!("kind = 'http'\nurl = '{url}/{{name}}'\n{AUTH}");
    for (target, told) in
        [(http, "dead: exhausted 207 not_confirmed"), (target(&url, AUTH), "dead: exhausted 207 member_423")]
    {
        let mut rig = Rig::new(&target).await;
        let keys = [rig.row("", "locked.ics", None).await];
        assert_eq!(rig.delete(&keys).await, [told], "{target}");
        assert_eq!(rig.rows_left().await, "1");
        assert!(person.sees("locked.ics").await);
    }
}
