//! `sexton migrate`: Sexton's tables, and the resource definitions in them.

use sea_orm::{ConnectOptions, Database};
use secrecy::ExposeSecret;
use sexton_core::{
    catalog::ConfigProblem,
    config::Config,
    db::{self, Db, connect},
    guard,
    ledger::Ledger,
    sql_functions::statements,
    store::Store,
};
use sexton_migrations::{Migrator, MigratorTrait};

use crate::daemon::StartError;

/// Applies the migrations that are missing, writes the resource definitions with the statements made from them, creates
/// partitions ahead, and mends a sequence that is behind. Returns how many migrations were applied. Safe to run at
/// every deployment, and by several processes at once.
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
    let (store, problems) = load_store(db.clone(), ledger.clone(), config).await?;
    // On SQLite there are no such functions.
    ledger.write_resources(&db, &config.resources, &statements(&store)).await?;
    ledger.create_partitions(&db).await?;
    ledger.mend_sequence(&db).await?;
    if problems.is_empty() {
        // Guards are not changed here: that takes a lock on the application's tables.
        let guards = guard::look_at_guards(&store).await?;
        let advice = guard::advice(&store.db.conn, &store, &guards).await?;
        for problem in guard::broken(&guards).into_iter().chain(advice) {
            eprintln!("sexton: warning: {problem}");
        }
    }
    Ok(pending)
}

/// The configured tables that fit, and what is wrong with the others, with a warning: the application may migrate after
/// us. The SQL functions refuse those resources then, until `migrate` is run once more.
async fn load_store(db: Db, ledger: Ledger, config: &Config) -> Result<(Store, Vec<ConfigProblem>), StartError> {
    let has_functions = db.dialect.has_sql_functions();
    let (store, problems) = Store::load_fitting(db, ledger, config).await?;
    // On SQLite `sexton check` says so.
    for problem in problems.iter().filter(|_| has_functions) {
        eprintln!("sexton: warning: {problem}");
    }
    let known: Vec<_> = store.catalog.tables().map(|table| &table.name).collect();
    // Rows of a resource without a marker are not for the functions.
    let marked = config.resources.iter().filter(|(_, resource)| resource.marker.is_some());
    let refused: Vec<_> =
        marked.map(|(name, _)| name).filter(|name| !known.contains(name)).map(ToString::to_string).collect();
    if has_functions && !refused.is_empty() {
        let names = refused.join(", ");
        eprintln!("sexton: warning: the SQL functions refuse {names} until `sexton migrate` is run again");
    }
    Ok((store, problems))
}
