//! The HTTP API, as a program in another language meets it. Every answer is checked against the API's own description.

mod client;
mod configuration;
mod deletions;
mod description;
mod refusals;
mod restoring;
mod rights;
mod setup;
