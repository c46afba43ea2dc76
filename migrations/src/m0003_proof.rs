//! What the proof needs: a salt for hashed keys, and indexes in the order in which deletions finished.

use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait,
    sea_orm::{ConnectionTrait, DbErr},
};
use uuid::Uuid;

use crate::sql_files::{SqlFiles, sql_files};

pub(crate) struct Migration(Box<SqlFiles>);

impl Migration {
    pub(crate) fn new() -> Self {
        Self(sql_files!("0003_proof"))
    }
}

impl MigrationName for Migration {
    fn name(&self) -> &str {
        self.0.name()
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.up(manager).await?;
        // 244 bits from the system's generator; PostgreSQL 12 has none of its own without an extension.
        let salt = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let sql = format!("insert into sexton_secret (name, value) values ('key_salt', '{salt}')");
        manager.get_connection().execute_unprepared(&sql).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.down(manager).await
    }
}
