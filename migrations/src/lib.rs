//! Sexton's own tables, on PostgreSQL and SQLite.
//!
//! They live in the application's database, beside its own migrations: the list of applied ones is kept in
//! `sexton_migration`, so that an application that uses sea-orm-migration itself is not disturbed. Changes follow
//! expand and contract: a release never removes what the release before it still reads.

use sea_orm_migration::{
    MigrationTrait,
    sea_orm::{DeriveIden, DynIden, sea_query::IntoIden},
};
pub use sea_orm_migration::{MigratorTrait, SchemaManager, sea_orm};

mod guards;
mod m0003_proof;
mod sql_files;

use sql_files::sql_files;

/// Applies and reverts Sexton's migrations.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

impl Migrator {
    /// The names of all migrations, as the list of applied ones has them.
    pub fn names() -> impl Iterator<Item = String> {
        Self::migrations().into_iter().map(|migration| migration.name().to_owned())
    }
}

#[derive(DeriveIden)]
enum Table {
    #[sea_orm(iden = "sexton_migration")]
    Migration,
}

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            sql_files!("0001_ledger"),
            sql_files!("0002_children"),
            Box::new(m0003_proof::Migration::new()),
            sql_files!("0004_sql_functions"),
            sql_files!("0005_former"),
            sql_files!("0006_gates"),
            sql_files!("0007_sweeps"),
            Box::new(guards::ForGuards(sql_files!("0008_guard"))),
            sql_files!("0009_sweep_health"),
            sql_files!("0010_choice"),
            sql_files!("0011_gone"),
            Box::new(guards::ForGuards(sql_files!("0012_guards"))),
            sql_files!("0013_restore"),
            sql_files!("0014_keys"),
            sql_files!("0015_slow_deletes"),
        ]
    }

    fn migration_table_name() -> DynIden {
        Table::Migration.into_iden()
    }
}
