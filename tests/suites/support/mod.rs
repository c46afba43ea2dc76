//! The support library is itself tested: a server that does not misbehave when told to would make other tests pass for
//! nothing.

mod api;
mod databases;
mod leftovers;
mod redis;
mod sexton;
