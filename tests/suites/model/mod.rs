//! Random sequences of everything that may happen, on random small schemas, held against a simple model.
//!
//! Each action runs through production code and through [`state`] and its neighbours, which is plain maps; after each of them the rows, the
//! ledger and the calls must be what the model says. At the end workers work everything off at once, and the outcome
//! must be one of those to which the model comes in some order.

mod actions;
mod cases;
mod compare;
mod ends;
mod fixture;
mod found;
mod request;
mod run;
mod schema;
mod shrink;
mod state;
mod system;
mod work;
