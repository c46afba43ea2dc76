//! A deletion that kills its worker.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use sexton_tests::api::{Answer, Behaviour, Call};

use crate::rig::{
    PATIENCE,
    workers::{Rig, Setup, Worker},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_that_kills_its_worker_ends_as_poison_and_takes_no_neighbour_along() {
    let setup = Setup { lease: "3s", timeout: "1s", max_rescues: 3, ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    let killed = Arc::new(tokio::sync::Notify::new());
    let suspects = Arc::new(AtomicUsize::new(0));
    let deaths = Arc::new(AtomicUsize::new(0));
    let log = Arc::new(Mutex::new(Vec::new()));
    let (kill, count, neighbours) = (Arc::clone(&killed), Arc::clone(&deaths), Arc::clone(&log));
    rig.api.set_default(Behaviour::With(Arc::new(move |call: &Call| {
        neighbours.lock().unwrap().push(call.path().to_owned());
        if call.path() == "/item-7" {
            count.fetch_add(1, SeqCst);
            kill.notify_one();
            return Answer::Hang;
        }
        Answer::Delay(std::time::Duration::from_millis(20), Box::new(Answer::Status(204)))
    })));
    rig.request("item", 1..=30).await;
    let mut worker: Worker = rig.run().await;
    loop {
        tokio::select! {
            () = killed.notified() => {
                // What is in flight with it: any deletion at its first call, none that is suspicious later.
                let in_flight = rig.number("select count(*) from sexton_deletion where state = 'running' and rescues > 0").await;
                suspects.fetch_max(in_flight, SeqCst);
                worker.kill().await;
                worker = rig.run().await;
            }
            () = rig.wait_until("not exists (select 1 from sexton_deletion where state <> 'dead')") => break,
        }
    }
    let states = rig.states().await;
    assert_eq!((states["poison"], states["completed"]), (1, 29), "{states:?}");
    assert_eq!(rig.value("select key from sexton_deletion where state = 'dead'").await, "7");
    assert_eq!(deaths.load(SeqCst), 4, "one call, and one for each rescue allowed");
    assert!(suspects.load(SeqCst) <= 1, "a suspicious row was in flight with another one");
    assert!(
        log.lock().unwrap().len() <= 4 + 29 + 29,
        "neighbours were called again and again: {:?}",
        log.lock().unwrap()
    );
    rig.assert_sound().await;
    let list = rig.sexton.run(&["dlq", "list"]).await.expect_code(0);
    assert!(list.stdout.contains("poison"), "{}", list.stdout);
    worker.daemon.signal("TERM");
    assert_eq!(worker.daemon.wait(PATIENCE).await, 0);
}
