//! Random sequences of actions on random small schemas, compared with a simple model.
//!
//! Each action runs through production code and through the model: [`state`] and its neighbours, which are plain maps.
//! After each, the rows, the ledger and the calls must be what the model says. At the end, workers do everything that
//! is left at the same time; the outcome must be one to which the model comes in some order.

mod actions;
mod cases;
mod compare;
mod ends;
mod fixture;
mod regressions;
mod request;
mod run;
mod schema;
mod shrink;
mod state;
mod system;
mod work;
