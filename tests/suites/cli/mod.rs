//! Commands: what they take, what they print, what they refuse.

mod bad_input;
mod bulk;
mod dead_letters;
mod export;
mod export_series;
mod output;
mod requests;
mod secrets;
