//! A migration whose statements are in files, one for each direction and database.

use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait,
    sea_orm::{ConnectionTrait, DbBackend, DbErr},
};

/// The statements for PostgreSQL and for SQLite.
pub(crate) struct Scripts {
    pub(crate) postgres: &'static str,
    pub(crate) sqlite: &'static str,
}

/// A migration made of scripts.
pub(crate) struct SqlFiles {
    pub(crate) name: &'static str,
    pub(crate) up: Scripts,
    pub(crate) down: Scripts,
}

/// The migration `m<name>` with the scripts `sql/<name>.<database>.<direction>.sql`.
macro_rules! sql_files {
    ($name:literal) => {
        Box::new($crate::sql_files::SqlFiles {
            name: concat!("m", $name),
            up: $crate::sql_files::Scripts {
                postgres: include_str!(concat!("../sql/", $name, ".postgres.up.sql")),
                sqlite: include_str!(concat!("../sql/", $name, ".sqlite.up.sql")),
            },
            down: $crate::sql_files::Scripts {
                postgres: include_str!(concat!("../sql/", $name, ".postgres.down.sql")),
                sqlite: include_str!(concat!("../sql/", $name, ".sqlite.down.sql")),
            },
        })
    };
}
pub(crate) use sql_files;

impl MigrationName for SqlFiles {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SqlFiles {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &self.up).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &self.down).await
    }
}

async fn run(manager: &SchemaManager<'_>, scripts: &Scripts) -> Result<(), DbErr> {
    let script = match manager.get_database_backend() {
        DbBackend::Sqlite => scripts.sqlite,
        _ => scripts.postgres,
    };
    manager.get_connection().execute_unprepared(script).await.map(drop)
}

#[cfg(test)]
mod tests {
    /// A server converts every text to the encoding of the database, comments too, and LATIN1 lacks most characters.
    #[test]
    fn scripts_are_ascii_so_that_every_encoding_takes_them() -> std::io::Result<()> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql");
        let mut scripts = 0;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let text = std::fs::read_to_string(&path)?;
            let odd = text.lines().find(|line| !line.is_ascii());
            assert_eq!(odd, None, "{}", path.display());
            scripts += 1;
        }
        assert!(scripts > 30, "{folder} has only {scripts} scripts");
        Ok(())
    }
}
