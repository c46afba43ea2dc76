//! Which resource an entity belongs to.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::EntityTrait;
use sexton_core::{
    catalog::{Table, UnreferencedTable},
    db::{self, Db, Dialect, Words},
    ids::ResourceName,
};

use crate::Error;

/// What an entity says of its table.
type TableName = (Option<String>, String);

/// The configured tables by the names under which entities know them: with a schema, and without one if that is the
/// table which the application's sessions find under the bare name.
#[derive(Debug)]
pub(crate) struct EntityTables<T> {
    dialect: Dialect,
    by_name: HashMap<TableName, Vec<Arc<T>>>,
}

/// A configured table.
pub(crate) trait Configured {
    fn resource(&self) -> &ResourceName;
    /// As the configuration names it.
    fn table(&self) -> &str;
    /// The qualified, quoted name.
    fn sql(&self) -> &str;
}

impl Configured for Table {
    fn resource(&self) -> &ResourceName {
        &self.name
    }

    fn table(&self) -> &str {
        &self.resource.table
    }

    fn sql(&self) -> &str {
        &self.sql
    }
}

impl Configured for UnreferencedTable {
    fn resource(&self) -> &ResourceName {
        &self.name
    }

    fn table(&self) -> &str {
        &self.table
    }

    fn sql(&self) -> &str {
        &self.rows.sql
    }
}

const NAMES: &str = "
-- resolve the configured tables
select wanted.sql, n.nspname::text as schema, c.relname::text as name, pg_table_is_visible(c.oid) as visible
from jsonb_array_elements_text(@tables::jsonb) wanted(sql)
join pg_class c on c.oid = wanted.sql::regclass
join pg_namespace n on n.oid = c.relnamespace";

impl<T: Configured> EntityTables<T> {
    pub(crate) async fn find<'t>(db: &Db, tables: impl Iterator<Item = &'t Arc<T>>) -> Result<Self, db::Error>
    where
        T: 't,
    {
        let all: Vec<&Arc<T>> = tables.collect();
        let mut tables_by_name = Self { dialect: db.dialect, by_name: HashMap::new() };
        match db.dialect {
            Dialect::Sqlite => {
                for table in all {
                    let configured = table.table();
                    let name = configured.strip_prefix("main.").unwrap_or(configured);
                    tables_by_name.add(Some("main"), name, table);
                    tables_by_name.add(None, name, table);
                }
            }
            Dialect::Postgres => {
                let tables: BTreeSet<_> = all.iter().map(|table| table.sql()).collect();
                let tables = serde_json::Value::from_iter(tables).to_string();
                let names = Words::new(db.dialect).render(NAMES).bind([("tables", tables.into())]);
                for row in names.all(&db.conn).await? {
                    let (sql, schema): (String, String) = (row.get("sql")?, row.get("schema")?);
                    let (name, visible): (String, bool) = (row.get("name")?, row.get("visible")?);
                    for table in all.iter().filter(|table| table.sql() == sql) {
                        tables_by_name.add(Some(&schema), &name, table);
                        if visible {
                            tables_by_name.add(None, &name, table);
                        }
                    }
                }
            }
        }
        Ok(tables_by_name)
    }

    fn add(&mut self, schema: Option<&str>, name: &str, table: &Arc<T>) {
        let name = self.name(schema, name);
        self.by_name.entry(name).or_default().push(Arc::clone(table));
    }

    /// Names in SQLite compare without case; SeaORM quotes those it sends to PostgreSQL.
    fn name(&self, schema: Option<&str>, name: &str) -> TableName {
        match self.dialect {
            Dialect::Postgres => (schema.map(str::to_owned), name.to_owned()),
            Dialect::Sqlite => (schema.map(str::to_ascii_lowercase), name.to_ascii_lowercase()),
        }
    }

    pub(crate) fn table_of<E: EntityTrait>(&self) -> Result<&Arc<T>, Error> {
        let entity = E::default();
        let (schema, name) = (entity.schema_name(), entity.table_name());
        let table = || schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"));
        match self.by_name.get(&self.name(schema, name)).map(Vec::as_slice) {
            Some([table]) => Ok(table),
            Some(several) if !several.is_empty() => {
                let resources: Vec<_> = several.iter().map(|table| table.resource().as_str()).collect();
                Err(Error::AmbiguousTable { table: table(), resources: resources.join(", ") })
            }
            _ => Err(Error::UnknownTable { table: table(), configured: configured(self.by_name.values().flatten()) }),
        }
    }
}

/// For messages: the configured tables, each with its resource.
pub(crate) fn configured<'t, T: Configured + 't>(tables: impl Iterator<Item = &'t Arc<T>>) -> String {
    let mut tables: Vec<_> = tables.map(|table| format!("{} as `{}`", table.table(), table.resource())).collect();
    tables.sort();
    tables.dedup();
    if tables.is_empty() { "none".to_owned() } else { tables.join(", ") }
}
