//! The Sexton daemon: what it is made of, for its binary and for tests.

pub mod queue;
