//! The HTTP API, as a program in another language meets it. Every answer is held against the API's own description.

mod asking;
mod client;
mod configuration;
mod description;
mod faults;
mod restoring;
mod setup;
