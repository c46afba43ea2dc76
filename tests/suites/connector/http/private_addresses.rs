//! Addresses that a call may not go to.

use sexton_tests::api::Api;

use crate::rig::{RESOURCE, Rig, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_addresses_are_refused_however_they_are_written() {
    let server = Server::sqlite().await;
    let rig = Rig::blocks(server, 1).await;
    let port = rig.api.url().rsplit(':').next().unwrap().to_owned();
    let hosts =
        ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0"];
    for host in hosts {
        let resource = RESOURCE.replace("@API@", &format!("http://{host}:{port}")).replace("allow_private = true", "");
        rig.reconfigure(&resource);
        let refused = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(
            refused.contains("resources.block.targets[0]: ") && refused.contains("allow_private = true"),
            "{refused}"
        );
        let id = rig.request_block().await;
        rig.work().await;
        assert_eq!(rig.state(&id).await, "dead: rejected", "{host}");
        let record = rig.show(&id).await;
        assert_eq!(record["failed_attempts"][0]["reason"], "private_address_refused", "{host}");
        assert_eq!(rig.calls(), Vec::<String>::new(), "{host}");
    }
    rig.reconfigure(&RESOURCE.replace("http://127.0.0.1", "http://localhost"));
    drop(rig.run(&["check"]).await.expect_code(0));
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed", "a target may allow it");
    // A machine that only checks may have no names: that is no fault of the configuration.
    rig.reconfigure(&RESOURCE.replace("@API@", "http://calendar.invalid").replace("allow_private = true", ""));
    let warned = rig.run(&["check"]).await.expect_code(0).stderr;
    assert!(warned.contains("warning: resources.block.targets[0]: cannot resolve calendar.invalid"), "{warned}");
}

/// A proxy would see the target's requests and credentials, so none is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_of_the_environment_is_not_used() {
    let (rig, proxy) = (Rig::blocks(Server::sqlite().await, 1).await, Api::start().await);
    let Rig { server, api, sexton } = rig;
    let sexton = sexton.env("http_proxy", &proxy.url()).env("ALL_PROXY", &proxy.url());
    let rig = Rig { server, api, sexton };
    rig.request_block().await;
    rig.work().await;
    assert_eq!((rig.calls().len(), proxy.log().len()), (1, 0));
}
