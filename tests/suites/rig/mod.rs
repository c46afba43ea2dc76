//! What tests stand on, from one database to several worker processes.

mod application;
pub(crate) mod ledger;
pub(crate) mod ledger_schema;
pub(crate) mod workers;

pub(crate) use application::{BLOCK, PATIENCE, RESOURCE, Rig, Server, config, on_both};
