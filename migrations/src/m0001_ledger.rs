//! The tables of the first release, with the columns of all states from the start.

use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait,
    sea_orm::{ConnectionTrait, DbBackend, DbErr},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0001_ledger"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = match manager.get_database_backend() {
            DbBackend::Sqlite => include_str!("../sql/0001_ledger.sqlite.up.sql"),
            _ => include_str!("../sql/0001_ledger.postgres.up.sql"),
        };
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = match manager.get_database_backend() {
            DbBackend::Sqlite => include_str!("../sql/0001_ledger.sqlite.down.sql"),
            _ => include_str!("../sql/0001_ledger.postgres.down.sql"),
        };
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }
}
