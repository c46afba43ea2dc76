//! One scenario, two tests: on PostgreSQL and on SQLite.

use crate::Server;

/// What a scenario is given, made of an empty database.
pub trait FromServer {
    /// Sets up what the scenario needs.
    fn from_server(server: Server) -> impl Future<Output = Self>;
}

impl FromServer for Server {
    async fn from_server(server: Server) -> Self {
        server
    }
}

/// Runs a scenario on this database; for [`on_both!`](crate::on_both).
pub async fn run<T: FromServer>(server: Server, scenario: impl AsyncFnOnce(T)) {
    scenario(T::from_server(server).await).await;
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
                $crate::run($crate::Server::postgres().await, super::$scenario).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                $crate::run($crate::Server::sqlite().await, super::$scenario).await;
            }
        }
    )+};
}
