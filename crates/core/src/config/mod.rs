//! `sexton.toml`: what it may say, what is assumed when it says nothing, and how mistakes in it are reported.
//!
//! The file is read as a whole and checked as a whole before anything starts: unknown keys are errors, `${VAR}` reads
//! the environment, and `SEXTON_SECTION__KEY` overrides a setting. Everything that can be judged without the database
//! is judged here; the rest is for [`crate::catalog`].

mod adopt;
mod api;
mod check;
mod child;
mod definition;
mod duration;
mod fill;
mod http;
mod literal_credentials;
mod load;
mod marker;
mod order;
mod queue_name;
mod resource;
mod retry;
mod settings;
pub mod target;
mod unreferenced;
mod validate;
mod verification;

pub use adopt::AdoptMode;
pub use api::{Api, ApiToken, LEAST_TOKEN, Right};
pub use child::{Child, ChildThen, JsonPath, Twin};
pub use definition::{Definition, TargetColumns};
pub use duration::millis;
pub use http::Http;
pub use literal_credentials::literal_credentials;
pub use load::{Error, load, parse};
pub use marker::{AfterConfirmation, ColumnValue, Marker, MarkerWhen};
pub(crate) use queue_name::{QUEUE_NAME, is_queue_name};
pub use resource::Resource;
pub use retry::{Retry, RetryOverride};
pub use settings::{Config, Console, Database, Queue, SweepBudget, Sync, Worker};
pub use target::{
    Auth, BodyCondition, Breaker, GoneAnswer, Method, OAuth2, Pointer, RateLimit, Secret, StatusWithReason, Target,
    TargetKind, Verify, signing_key,
};
pub use unreferenced::{Hiding, Reference, Unreferenced, UnreferencedMode};
pub use verification::{Verification, VerifyMode};
