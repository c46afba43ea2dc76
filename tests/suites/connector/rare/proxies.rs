//! Varnish before a system, and Squid on the way to one.

use std::time::Duration;

use sexton_tests::{
    api::{Answer, Api, Behaviour},
    rare::{squid, varnish},
};

use crate::connector::rig::Rig;

/// Varnish answers `503` with `Retry-After` although the system acted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_that_varnish_gave_up_is_not_repeated() {
    let system = Api::start().await;
    let late = Answer::Delay(Duration::from_secs(3), Box::new(Answer::Status(204)));
    system.set_default(Behaviour::Always(late));
    let port = system.url().rsplit(':').next().unwrap().parse().unwrap();
    let server = varnish(port).await;
    for method in ["DELETE", "POST"] {
        let target =
            format!("kind = 'http'\nmethod = '{method}'\nurl = '{}/{{name}}'\nrepeatable = false", server.url());
        let mut rig = Rig::new(&target).await;
        let keys = [rig.row("", "once", None).await];
        assert_eq!(rig.delete(&keys).await, ["dead: unknown_outcome 503 http_503"], "{method}");
    }
    assert_eq!(system.log().iter().map(|call| &*call.method).collect::<Vec<_>>(), ["DELETE", "POST"]);
}

/// The proxy, not the target, refuses: no attempt is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn squid_that_refuses_is_named() {
    for (status, named) in [(407, "proxy_unauthorized"), (403, "proxy_refused")] {
        let proxy = squid(status).await;
        let target = format!(
            "kind = 'http'\nurl = 'https://target.invalid/{{name}}'\nproxy = '{}'\nretry = {{ give_up_after = '1s' }}",
            proxy.url()
        );
        let mut rig = Rig::new(&target).await;
        let keys = [rig.row("", "r1", None).await];
        assert_eq!(rig.delete(&keys).await, [format!("dead: expired - {named}")]);
    }
}
