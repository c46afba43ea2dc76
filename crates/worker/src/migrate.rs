//! `sexton migrate`: Sexton's tables, and the resource definitions in them.

use sea_orm::{ConnectOptions, Database};
use secrecy::ExposeSecret;
use sexton_core::{
    catalog,
    config::Config,
    db::{self, Db, Dialect, connect},
    guard,
    ledger::Ledger,
    sql_functions::statements,
    store::Store,
};
use sexton_migrations::{Migrator, MigratorTrait};

use crate::daemon::StartError;

/// Applies the migrations that are missing, writes the resource definitions with the statements made from them, and creates
/// partitions ahead. Returns how many migrations were applied. Safe to run at every deployment, and by several processes at
/// once.
///
/// # Errors
/// [`StartError`]; what was applied before remains applied.
pub async fn migrate(config: &Config) -> Result<usize, StartError> {
    crate::tls::install();
    let db = connect(&config.database.url, 2).await?;
    // A pool of its own, whose sessions have the role's own search path: the tables go to its first schema.
    let url = config.database.url.expose_secret().replacen("postgresql://", "postgres://", 1);
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let conn = Database::connect(options).await.map_err(db::Error::from)?;
    let pending = Migrator::get_pending_migrations(&conn).await.map_err(db::Error::from)?.len();
    Migrator::up(&conn, None).await.map_err(db::Error::from)?;
    conn.close().await.map_err(db::Error::from)?;
    let ledger = Ledger::open(&db).await?;
    let store = load_store(db.clone(), ledger.clone(), config).await?;
    // On SQLite there are no such functions.
    let statements = store.as_ref().map(statements).unwrap_or_default();
    ledger.write_resources(&db, &config.resources, &statements).await?;
    ledger.create_partitions(&db).await?;
    if let Some(store) = store {
        // Guards are not changed here: that takes a lock on the application's tables.
        let guards = guard::look_at_guards(&store).await?;
        let advice = guard::advice(&store.db.conn, &store, &guards).await?;
        for problem in guard::broken(&guards).into_iter().chain(advice) {
            eprintln!("sexton: warning: {problem}");
        }
    }
    Ok(pending)
}

/// The configured tables; none, with a warning, if they do not fit: the application may migrate after us. The SQL functions
/// refuse everything then, until `migrate` is run once more.
async fn load_store(db: Db, ledger: Ledger, config: &Config) -> Result<Option<Store>, StartError> {
    let is_postgres = db.dialect == Dialect::Postgres;
    match Store::load(db, ledger, config).await {
        Ok(store) => Ok(Some(store)),
        // On SQLite `sexton check` says so.
        Err(catalog::Error::Problems(problems)) => {
            for problem in problems.iter().filter(|_| is_postgres) {
                eprintln!("sexton: warning: {problem}");
            }
            if is_postgres {
                eprintln!(
                    "sexton: warning: the SQL functions refuse every resource until `sexton migrate` is run again"
                );
            }
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
