//! The ledger inside the test process.

use secrecy::SecretString;
use sexton_core::{
    config::{self, Config},
    db::{self, Db},
    ledger::Ledger,
    store::Store,
};

/// A whole configuration.
pub(crate) fn parse(text: &str) -> Config {
    config::parse("sexton.toml", text, |_| None).unwrap_or_else(|error| panic!("{error}, in:\n{text}"))
}

/// A pool as Sexton has it.
pub(crate) async fn connect(url: &str, connections: u32) -> Db {
    db::connect(&SecretString::from(url.to_owned()), connections).await.unwrap()
}

/// The ledger, which was migrated, and the resources of this configuration.
pub(crate) async fn open(db: Db, config: &Config) -> Store {
    let ledger = Ledger::open(&db).await.unwrap();
    Store::load(db, ledger, config).await.unwrap()
}
