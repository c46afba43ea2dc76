//! The support library itself: a server that does not misbehave on command would make other tests pass for
//! nothing.

mod api;
mod databases;
mod leftovers;
mod redis;
mod security_tests;
mod sexton;
