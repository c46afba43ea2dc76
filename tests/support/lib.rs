//! What black-box tests stand on: real servers that belong to one test process, an external system that misbehaves on
//! command, and the real `sexton` binary.
//!
//! Nothing here is a mock of a store. Every server is started by the test that needs it, listens on loopback only and
//! is gone when the test process is, however that ended. Linux only: it leans on `setpriv --pdeathsig` (util-linux).
//!
//! A failure in here is a failed test, so it panics with what was being attempted instead of returning an error.

#![expect(clippy::expect_used, reason = "a broken invariant here is a failed test, and a panic is how a test says so")]

mod apache;
pub mod api;
pub mod clients;
pub mod measure;
mod moto;
mod on_both;
mod pgbouncer;
mod pgpool;
mod port;
mod postgres;
mod process;
mod radicale;
pub mod rare;
pub mod redis;
mod server;
mod sexton;
mod sqlite_db;
mod switch;
mod test_db;
mod wait;
mod workdir;
mod wsgidav;
mod xandikos;

pub use self::apache::Apache;
pub use self::moto::Moto;
pub use self::on_both::{EmptyServer, FromServer, run};
pub use self::pgbouncer::Pgbouncer;
pub use self::pgpool::Pgpool;
pub use self::postgres::Postgres;
pub use self::process::{Line, Stream};
pub use self::radicale::Radicale;
pub use self::redis::Redis;
pub use self::server::Server;
pub use self::sexton::{Daemon, Output, Sexton};
pub use self::sqlite_db::SqliteDb;
pub use self::switch::Switch;
pub use self::test_db::{Role, TestDb};
pub use self::wait::{PATIENCE, eventually};
pub use self::wsgidav::WsgiDav;
pub use self::xandikos::Xandikos;
pub use sexton_core::db::Dialect;
