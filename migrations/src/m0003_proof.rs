//! What the proof needs: a salt for hashed keys, and indexes in the order in which deletions finished.

use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait,
    sea_orm::{ConnectionTrait, DbBackend, DbErr},
};
use uuid::Uuid;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0003_proof"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = match manager.get_database_backend() {
            DbBackend::Sqlite => include_str!("../sql/0003_proof.sqlite.up.sql"),
            _ => include_str!("../sql/0003_proof.postgres.up.sql"),
        };
        let connection = manager.get_connection();
        connection.execute_unprepared(sql).await?;
        // 244 bits from the system's generator; PostgreSQL 12 has none of its own without an extension.
        let salt = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let sql = format!("insert into sexton_secret (name, value) values ('key_salt', '{salt}')");
        connection.execute_unprepared(&sql).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = match manager.get_database_backend() {
            DbBackend::Sqlite => include_str!("../sql/0003_proof.sqlite.down.sql"),
            _ => include_str!("../sql/0003_proof.postgres.down.sql"),
        };
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }
}
