//! The ledger inside the test process.

use secrecy::SecretString;
use sexton_core::{
    config::{self, Config},
    db::{self, Db},
    ledger::Ledger,
    store::Store,
    transport::HintQueue,
};
use sexton_tests::Redis;

/// A whole configuration.
pub(crate) fn parse(text: &str) -> Config {
    config::parse("sexton.toml", text, |_| None).unwrap_or_else(|error| panic!("{error}, in:\n{text}"))
}

/// A pool as Sexton has it.
pub(crate) async fn connect(url: &str, connections: u32) -> Db {
    db::connect(&SecretString::from(url.to_owned()), connections).await.unwrap()
}

/// The queue through which hints at this database's deletions travel.
pub(crate) async fn hint_queue(redis: &Redis, database: &str) -> HintQueue {
    let db = connect(database, 1).await;
    let identity = Ledger::open(&db).await.unwrap().identity(&db).await.unwrap();
    HintQueue::new(&redis.url(), "deletions").unwrap().of_ledger(&identity)
}

/// The ledger, which was migrated, and the resources of this configuration.
pub(crate) async fn open(db: Db, config: &Config) -> Store {
    let ledger = Ledger::open(&db).await.unwrap();
    Store::load(db, ledger, config).await.unwrap()
}
