//! Migrations with what guards need (`sexton guard`), and on the way down their end: they use it, and would fail every
//! delete of the application once it is gone.

use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait,
    sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement},
};

use crate::sql_files::SqlFiles;

/// Scripts that take all guards with them on the way down. On PostgreSQL the script itself drops them.
pub(crate) struct ForGuards(pub(crate) Box<SqlFiles>);

impl MigrationName for ForGuards {
    fn name(&self) -> &str {
        self.0.name()
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ForGuards {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conn = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Sqlite {
            // SQLite has no statement that drops what another one finds.
            let sql = "select '\"' || replace(name, '\"', '\"\"') || '\"' as name from sqlite_schema
                where type = 'trigger' and name like 'sexton\\_guard\\_%' escape '\\'";
            for guard in conn.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await? {
                let name: String = guard.try_get("", "name")?;
                conn.execute_unprepared(&format!("drop trigger {name}")).await?;
            }
        }
        self.0.down(manager).await
    }
}
