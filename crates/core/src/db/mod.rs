//! The application's database: connecting, the two dialects, and what its errors mean.

mod capabilities;
mod connect;
mod dialect;
mod error;
mod failover;
mod failpoint;
mod page;
mod pgpool;
mod query;
mod read;
mod rendered;
mod row;
mod row_locks;
mod session;
mod sql;

pub use connect::{Db, SearchPath, connect};
pub(crate) use dialect::literal;
pub use dialect::{Dialect, quote};
pub use error::{ConnectError, Error, Refusal};
pub use failover::{server_left, takes_writes};
pub use failpoint::{arm_kill_points, kill_point};
pub use page::{Named, NextPage, Pages};
pub use query::{Query, Sql, run_script};
pub use rendered::{Rendered, RenderedByName, Statements};
pub use row::Row;
pub use row_locks::RowLocks;
pub use session::SessionError;
pub use sql::{Function, Words};

pub use crate::config::millis;
