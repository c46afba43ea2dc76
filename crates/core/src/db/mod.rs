//! The application's database: connecting, the two dialects, and what its errors mean.

mod connect;
mod dialect;
mod error;
mod failpoint;
mod read;
mod row;
mod session;
mod sql;

pub use connect::{Db, SearchPath, connect};
pub(crate) use dialect::literal;
pub use dialect::{Dialect, millis, quote, recordset};
pub use error::{ConnectError, Error, Refusal};
pub use failpoint::{arm_kill_points, kill_point};
pub use row::Row;
pub use session::SessionError;
pub use sql::{Function, Query, Sql, Words};
