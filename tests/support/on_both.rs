//! One scenario, two tests: on PostgreSQL and on SQLite.

use crate::{Dialect, Server};

/// What a scenario is given, made of a database.
pub trait FromServer {
    /// The database: with the ledger's tables, unless said otherwise.
    fn server(dialect: Dialect) -> impl Future<Output = Server> {
        async move {
            match dialect {
                Dialect::Postgres => Server::postgres().await,
                Dialect::Sqlite => Server::sqlite().await,
            }
        }
    }

    /// Sets up what the scenario needs.
    fn from_server(server: Server) -> impl Future<Output = Self>;
}

impl FromServer for Server {
    async fn from_server(server: Server) -> Self {
        server
    }
}

/// A database without any table, for scenarios about migrations.
#[derive(Debug)]
pub struct EmptyServer(pub Server);

impl FromServer for EmptyServer {
    async fn server(dialect: Dialect) -> Server {
        match dialect {
            Dialect::Postgres => Server::empty_postgres().await,
            Dialect::Sqlite => Server::empty_sqlite(),
        }
    }

    async fn from_server(server: Server) -> Self {
        Self(server)
    }
}

/// Runs a scenario on such a database; for [`on_both!`](crate::on_both).
pub async fn run<T: FromServer>(dialect: Dialect, scenario: impl AsyncFnOnce(T)) {
    scenario(T::from_server(T::server(dialect).await).await).await;
}

/// Runs each scenario twice, as the tests `NAME::on_postgres` and `NAME::on_sqlite`.
///
/// A scenario is an `async fn` with one parameter: the database itself ([`Server`]), or what is made of it
/// ([`FromServer`]).
#[macro_export]
macro_rules! on_both {
    ($($scenario:ident),+ $(,)?) => {$(
        mod $scenario {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                $crate::run($crate::Dialect::Postgres, super::$scenario).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                $crate::run($crate::Dialect::Sqlite, super::$scenario).await;
            }
        }
    )+};
}
