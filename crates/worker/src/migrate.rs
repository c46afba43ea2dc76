//! `sexton migrate`: Sexton's tables, and the resource definitions in them.

use std::collections::BTreeMap;

use sea_orm::{ConnectOptions, Database};
use secrecy::ExposeSecret;
use serde_json::Value;
use sexton_core::{
    catalog::{self, Catalog},
    config::Config,
    db::{self, Db, Dialect, connect},
    guard,
    ids::ResourceName,
    ledger::Ledger,
    sql_functions::statements,
};
use sexton_migrations::{Migrator, MigratorTrait};

use crate::daemon::StartError;

/// Applies the migrations that are missing, writes the resource definitions with the statements made from them, and creates partitions ahead. Safe to run
/// at every deployment, and by several processes at once. Returns how many migrations were applied.
///
/// # Errors
/// [`StartError`]; what was applied before stays applied.
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
    let statements = statements_for(&db, &ledger, config).await?;
    ledger.write_resources(&db, &config.resources, &statements).await?;
    ledger.create_partitions(&db).await?;
    warn_of_guards(&db, &ledger, config).await?;
    Ok(pending)
}

/// Guards are not changed here: that takes a lock on the application's tables.
async fn warn_of_guards(db: &Db, ledger: &Ledger, config: &Config) -> Result<(), StartError> {
    match Catalog::load(db, config).await {
        Ok(catalog) => {
            for problem in guard::advice(&db.conn, ledger, &catalog).await? {
                eprintln!("sexton: warning: {problem}");
            }
            Ok(())
        }
        // Said before, or by `sexton check`.
        Err(catalog::Error::Problems(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What the SQL functions are to run. The application's tables may not be there yet, when it migrates after us: then there
/// is nothing to run, and the functions say so until `migrate` is run again.
async fn statements_for(
    db: &Db,
    ledger: &Ledger,
    config: &Config,
) -> Result<BTreeMap<ResourceName, Value>, StartError> {
    if db.dialect == Dialect::Sqlite {
        return Ok(BTreeMap::new());
    }
    match Catalog::load(db, config).await {
        Ok(catalog) => Ok(statements(ledger, &catalog)),
        Err(catalog::Error::Problems(problems)) => {
            for problem in problems {
                eprintln!("sexton: warning: {problem}");
            }
            eprintln!("sexton: warning: the SQL functions refuse every resource until `sexton migrate` is run again");
            Ok(BTreeMap::new())
        }
        Err(error) => Err(error.into()),
    }
}
