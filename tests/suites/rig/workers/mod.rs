//! An application's table, an external system, and any number of `sexton run` processes.

mod rig;
mod setup;
mod worker;

pub(crate) use rig::Rig;
pub(crate) use setup::Setup;
pub(crate) use worker::Worker;
