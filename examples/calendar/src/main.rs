//! A small application whose bookings live in a calendar as well, deleted in two phases while the calendar misbehaves.
//!
//! `make run` starts it: a SQLite file, a local stand-in for the Google Calendar API, the application removing bookings
//! through the producer, and the daemon at work in the same process. It ends with what became of every booking and a
//! check that nothing was deleted here before the calendar had confirmed.

mod bookings;
mod calendar_api;
mod demo;
mod entity;
mod files;
mod options;
mod progress;
mod report;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;

#[tokio::main]
async fn main() -> ExitCode {
    match demo::run(&Options::parse()).await {
        Ok(demo::End::Good) => ExitCode::SUCCESS,
        Ok(demo::End::Inconsistent) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
