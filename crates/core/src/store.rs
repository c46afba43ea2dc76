//! The application's database with what Sexton knows of it.

use crate::{
    catalog::{self, Catalog, ConfigProblem},
    config::Config,
    db::Db,
    ledger::Ledger,
};

/// Where deletions are kept, and the tables that they are about.
#[derive(Debug, Clone)]
pub struct Store {
    /// The application's database.
    pub db: Db,
    /// Sexton's own tables in it.
    pub ledger: Ledger,
    /// The configured tables of the application.
    pub catalog: Catalog,
}

impl Store {
    /// Resolves the configured tables.
    ///
    /// # Errors
    /// [`catalog::Error`], with all that is wrong with the configuration or why the database cannot be read.
    pub async fn load(db: Db, ledger: Ledger, config: &Config) -> Result<Self, catalog::Error> {
        let catalog = Catalog::load(&db, config).await?;
        Ok(Self { db, ledger, catalog })
    }

    /// Resolves those of the configured tables that fit, with all that is wrong with the others.
    ///
    /// # Errors
    /// [`catalog::Error::Database`] when the database cannot be read.
    pub async fn load_fitting(
        db: Db,
        ledger: Ledger,
        config: &Config,
    ) -> Result<(Self, Vec<ConfigProblem>), catalog::Error> {
        let (catalog, problems) = Catalog::load_fitting(&db, config).await?;
        Ok((Self { db, ledger, catalog }, problems))
    }
}
