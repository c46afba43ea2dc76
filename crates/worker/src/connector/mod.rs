//! Connectors: the code that calls one kind of target, one file or folder a kind, all behind the trait [`Connector`].
//!
//! To add a kind of target:
//! 1. Write its settings: see the recipe in `crates/core/src/config/target/mod.rs`.
//! 2. Write its connector in a file or folder here: a struct with a `new` like the others, that implements
//!    [`Connector`]. [`exchange`] sends requests, [`clients`] has the clients, [`auth`] and [`headers`] what the
//!    settings add to them.
//! 3. Name the file among the modules, and the kind in [`connector_of`], both below.
//! 4. Describe it in `docs/connectors.md`, and test it beside the others in `tests/suites/connector/`.

mod address;
mod answer;
mod auth;
mod caldav;
mod call;
mod clients;
mod exchange;
mod google_calendar;
mod headers;
mod http;
mod markup;
mod memory;
mod s3;
mod setup;
mod special_purpose;
mod starved;

use sexton_core::config::{Target, TargetKind};

pub(crate) use self::call::{Call, Connector};
pub(crate) use self::setup::Connectors;
pub use self::setup::SetupError;
pub(crate) use self::special_purpose::is_special_purpose;

/// The registry: sets up the connector for a target of each kind.
///
/// # Errors
/// [`SetupError`].
fn connector_of(clients: &mut clients::HttpClients, target: &Target) -> Result<Box<dyn Connector>, SetupError> {
    Ok(match &target.kind {
        TargetKind::Http(settings) => Box::new(http::HttpConnector::new(clients, target, settings)?),
        TargetKind::CalDav(settings) => Box::new(caldav::CalDavConnector::new(clients, target, settings)?),
        TargetKind::S3(settings) => Box::new(s3::S3Connector::new(clients, target, settings)?),
        TargetKind::GoogleCalendar(settings) => {
            Box::new(google_calendar::GoogleCalendarConnector::new(clients, target, settings)?)
        }
    })
}
