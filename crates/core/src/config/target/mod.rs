//! `[[resources.NAME.targets]]`: an external system in which a row has a twin.
//!
//! `general.rs` has what every kind of target has; each kind has a file of its own.
//!
//! To add a kind of target:
//! 1. Write its settings in a file here: a struct that implements [`Deserialize`](serde::Deserialize) with
//!    `deny_unknown_fields`, and `KindSettings`.
//! 2. Name the file among the modules, and the kind in the registry, both below.
//! 3. Write its connector: see the recipe in `crates/worker/src/connector/mod.rs`.

mod auth;
pub mod caldav;
mod calls;
mod columns;
mod conditions;
mod file;
mod general;
pub mod google_calendar;
pub mod http;
mod kind;
mod limits;
mod literal;
mod method;
pub mod s3;
mod validate;

pub use auth::{Auth, OAuth2, Secret, signing_key};
pub use calls::CalledUrl;
pub use conditions::{BodyCondition, GoneAnswer, Pointer, StatusWithReason, Verify};
pub use general::Target;
pub use limits::{Breaker, RateLimit};
pub use method::Method;

use kind::{KindSettings, target_kinds};
pub(in crate::config) use validate::validate;

// The registry: the value of `kind` in the file, and the settings of that kind.
target_kinds! {
    /// One HTTP request.
    "http" => Http(http::Http),
    /// A calendar object, or any other on a WebDAV server.
    "caldav" => CalDav(caldav::CalDav),
    /// Objects in a bucket.
    "s3" => S3(s3::S3),
    /// An event in a Google calendar.
    "google_calendar" => GoogleCalendar(google_calendar::GoogleCalendar),
}
