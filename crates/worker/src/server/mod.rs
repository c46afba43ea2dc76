//! How the console and the API are served: no client may hold the process.
//!
//! A connection costs a file descriptor and some memory, and a client that opens one need not send anything. So:
//! - There are deadlines (`[http]`) for the header, the body, the request as a whole, the answer, and the time between
//!   two requests.
//! - An address has a limited number of connections, far below the process's limit of file descriptors. Beyond it, the
//!   connection that has waited longest for a request is closed. A probe gets through among any number of silent
//!   clients.
//! - HTTP/1.1 is spoken, and HTTP/2 is not: its streams are requests that no limit of connections counts, and it has
//!   nothing to give to the few small requests here.

mod connections;
mod deadlines;
mod limits;
mod serve;

pub(crate) use deadlines::BodyTooSlow;
pub(crate) use limits::{Limits, descriptor_shortage};
pub(crate) use serve::serve;
