//! A fresh PostgreSQL database per test, with the ledger's tables or empty, with plain-text looks into it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, mpsc};

use sea_orm::{ConnectOptions, DatabaseConnection};
use sexton_migrations::{Migrator, MigratorTrait};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, ValueRef};

use crate::postgres::Postgres;

/// A database of one's own. Dropped with this value, when the server still runs.
#[derive(Debug)]
pub struct TestDb {
    name: String,
    url: String,
    admin_url: String,
    pool: PgPool,
}

/// A role that was created for one database.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name on the server, for `grant` and `alter role`.
    pub name: String,
    /// The URL of the database for this role.
    pub url: String,
}

impl TestDb {
    /// A database with the ledger's tables on the server that all tests share.
    pub async fn new() -> Self {
        Self::on(Postgres::shared().await).await
    }

    /// The same on that server.
    pub async fn on(server: &Postgres) -> Self {
        server.template.get_or_init(|| make_template(server)).await;
        Self::create(server, &format!("template {TEMPLATE}")).await
    }

    /// An empty database on the server that all tests share.
    pub async fn empty() -> Self {
        Self::create(Postgres::shared().await, "").await
    }

    async fn create(server: &Postgres, options: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let admin_url = server.url("postgres", "postgres");
        // Older ones always copy files; newer ones would write the copy to the log, which takes twice as long.
        let on_demand = server.copies_on_demand.get_or_init(|| is_at_least_15(&admin_url)).await;
        let strategy = if *on_demand { "strategy file_copy" } else { "" };
        run(&admin_url, &format!("create database {name} {options} {strategy}"))
            .await
            .unwrap_or_else(|error| panic!("cannot create the database {name}: {error}"));
        let url = server.url("postgres", &name);
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy(&url).expect("the URL is well-formed");
        Self { name, url, admin_url, pool }
    }

    /// What became of a database on a server that followed the one it is on.
    #[must_use]
    pub fn same_on(server: &Postgres, db: &Self) -> Self {
        let name = db.name.clone();
        let url = server.url("postgres", &name);
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy(&url).expect("the URL is well-formed");
        Self { name, url, admin_url: server.url("postgres", "postgres"), pool }
    }

    /// The URL for the superuser.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name, for `alter database`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new pool, as an application would have it.
    pub async fn connect(&self) -> DatabaseConnection {
        connect(&self.url).await
    }

    /// Runs statements, separated by semicolons; several at once are one transaction.
    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.unwrap_or_else(|error| panic!("{error}, in:\n{sql}"));
    }

    /// The same, for statements that the database may refuse.
    ///
    /// # Errors
    /// What it says.
    pub async fn try_execute(&self, sql: &str) -> Result<(), String> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await;
        done.map(drop).map_err(|error| error.to_string())
    }

    /// The rows of a query with every value as `psql` prints it, whatever its type; `None` is null.
    pub async fn query_text(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        // An unprepared statement is answered in text format: no value needs a type on this side.
        let rows = sqlx::raw_sql(AssertSqlSafe(sql))
            .fetch_all(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{error}, in:\n{sql}"));
        let text = |row: &sqlx::postgres::PgRow, column| {
            let value = row.try_get_raw(column).expect("the column exists");
            (!value.is_null()).then(|| value.as_str().expect("text format is UTF-8").to_owned())
        };
        rows.iter().map(|row| (0..row.len()).map(|column| text(row, column)).collect()).collect()
    }

    /// Creates a role that can log in, with `options` as in `create role … with …` (may be empty). Roles belong to the
    /// whole server, so the name gets this database's name appended.
    pub async fn create_role(&self, name: &str, options: &str) -> Role {
        let name = format!("{name}_{}", self.name);
        self.execute(&format!("create role {name} with login {options}")).await;
        let url = self.url.replacen("postgres@", &format!("{name}@"), 1);
        Role { name, url }
    }
}

/// To migrate each test's database takes as long as many a test.
const TEMPLATE: &str = "migrated";

async fn make_template(server: &Postgres) {
    let admin_url = server.url("postgres", "postgres");
    let made = async {
        run(&admin_url, &format!("create database {TEMPLATE}")).await?;
        migrate(&server.url("postgres", TEMPLATE)).await;
        // Without sessions, those of autovacuum among them: nothing delays the copies.
        run(&admin_url, &format!("alter database {TEMPLATE} with allow_connections false")).await
    };
    made.await.unwrap_or_else(|error| panic!("cannot create the database {TEMPLATE}: {error}"));
}

/// Makes the ledger's tables.
pub(crate) async fn migrate(url: &str) {
    let application = connect(url).await;
    Migrator::up(&application, None).await.unwrap_or_else(|error| panic!("cannot migrate {url}: {error}"));
    application.close().await.unwrap_or_else(|error| panic!("cannot close {url}: {error}"));
}

impl Drop for TestDb {
    fn drop(&mut self) {
        // Dropping needs a runtime, and this one's may be going away: someone else does it. If that thread is gone, the
        // database goes with the server.
        JANITOR.send((self.admin_url.clone(), self.name.clone())).ok();
    }
}

static JANITOR: LazyLock<mpsc::Sender<(String, String)>> = LazyLock::new(|| {
    let (sender, dropped) = mpsc::channel::<(String, String)>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime to drop databases in: {error}"));
        for (admin_url, name) in dropped {
            // A server that was stopped takes its databases with it.
            runtime.block_on(run(&admin_url, &format!("drop database if exists {name} with (force)"))).ok();
        }
    });
    sender
});

async fn is_at_least_15(url: &str) -> bool {
    let sql = "select current_setting('server_version_num')::int >= 150000";
    let found = async { sqlx::query_scalar(sql).fetch_one(&mut PgConnection::connect(url).await?).await };
    found.await.unwrap_or_else(|error: sqlx::Error| panic!("cannot ask {url} for its version: {error}"))
}

async fn run(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await
}

pub(crate) async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(10).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap_or_else(|error| panic!("cannot connect to {url}: {error}"))
}
