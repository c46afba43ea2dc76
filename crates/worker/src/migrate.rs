//! `sexton migrate`: Sexton's tables, and the resource definitions in them.

use sea_orm::{ConnectOptions, Database};
use secrecy::ExposeSecret;
use sexton_core::{config::Config, db::connect, ledger::Ledger};
use sexton_migrations::{Migrator, MigratorTrait};

use crate::daemon::StartError;

/// Applies the migrations that are missing, writes the resource definitions and creates partitions ahead. Safe to run
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
    let conn = Database::connect(options).await?;
    let pending = Migrator::get_pending_migrations(&conn).await?.len();
    Migrator::up(&conn, None).await?;
    conn.close().await?;
    let ledger = Ledger::open(&db).await?;
    ledger.write_resources(&db, &config.resources).await?;
    ledger.create_partitions(&db).await?;
    Ok(pending)
}
