//! Reading the keys of live rows in key order, a page at a time.

use std::sync::Arc;

use sea_orm::{
    Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult, QueryTrait, Value,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType, Order, SelectStatement},
};
use sexton_core::{
    catalog::Table,
    db::{Dialect, RowLocks, quote},
    key::Key,
};

use crate::{Error, condition};

/// The live rows of an entity that a filter matches.
pub(crate) struct KeyPages<'p> {
    pub(crate) table: &'p Arc<Table>,
    filter: Condition,
    /// The most rows of a page.
    pub(crate) size: usize,
}

/// Where a page ended: the key columns as the database holds them, as SQLite may store one key in several ways.
#[derive(Clone)]
pub(crate) struct KeyCursor(Vec<Value>);

/// Some rows' keys.
pub(crate) struct KeyPage(Vec<(Key, KeyCursor)>);

impl KeyPage {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(crate) fn into_last(self) -> Option<KeyCursor> {
        self.0.into_iter().next_back().map(|(_, cursor)| cursor)
    }
}

impl<'p> KeyPages<'p> {
    pub(crate) const fn new(table: &'p Arc<Table>, filter: Condition, size: usize) -> Self {
        Self { table, filter, size }
    }

    /// How many there are.
    pub(crate) async fn count<E: EntityTrait>(&self, conn: &impl ConnectionTrait) -> Result<u64, Error> {
        let failed = || Error::database(format!("count the rows of table `{}`", self.table.resource.table));
        let mut query = self.query::<E>();
        query.expr_as(Expr::cust("count(*)"), "rows");
        let row = conn.query_one(&query).await.map_err(failed())?;
        let count: Option<i64> = row.map(|row| row.try_get("", "rows")).transpose().map_err(failed())?;
        Ok(u64::try_from(count.unwrap_or_default()).unwrap_or_default())
    }

    /// The first of those after `after`.
    pub(crate) async fn read<E: EntityTrait>(
        &self,
        transaction: &impl ConnectionTrait,
        after: Option<KeyCursor>,
        locks: RowLocks,
    ) -> Result<KeyPage, Error> {
        let alias = alias::<E>();
        let mut query = self.query::<E>();
        for (n, (column, _)) in self.table.key.iter().enumerate() {
            let name = column.of(&alias);
            query.expr_as(Expr::cust(column.text(&alias)), format!("k{n}"));
            if !self.table.dialect.has_strict_types() {
                // The sign keeps the driver from taking the declared type for that of the value.
                query.expr_as(Expr::cust(format!("+{name}")), format!("c{n}"));
                query.expr_as(Expr::cust(format!("typeof({name})")), format!("t{n}"));
            }
            query.order_by_expr(Expr::cust(name), Order::Asc);
        }
        if let Some(KeyCursor(after)) = after {
            query.and_where(self.after(&alias, after));
        }
        query.limit(self.size as u64);
        match (self.table.dialect, locks) {
            (Dialect::Sqlite, _) | (_, RowLocks::None) => {}
            (Dialect::Postgres, RowLocks::Wait) => drop(query.lock(LockType::Update)),
            (Dialect::Postgres, RowLocks::SkipLocked) => {
                query.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
            }
            (Dialect::Postgres, RowLocks::SkipLockedNoKey) => {
                query.lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
            }
        }
        let table = &self.table.resource.table;
        let failed = || Error::database(format!("read the keys of rows to remove from table `{table}`"));
        let rows = transaction.query_all(&query).await.map_err(failed())?;
        rows.iter().map(|row| self.row(row)).collect::<Result<_, _>>().map(KeyPage)
    }

    fn query<E: EntityTrait>(&self) -> SelectStatement {
        let mut query = E::find().filter(condition::live::<E>(self.table)).filter(self.filter.clone()).into_query();
        query.clear_selects();
        query
    }

    /// As a comparison of rows, which an index on the key serves (PostgreSQL §9.25.5, SQLite "Row Values").
    fn after(&self, alias: &str, cursor: Vec<Value>) -> Expr {
        let columns = self.table.key.iter().map(|(column, _)| Expr::cust(column.of(alias)));
        let values = self.table.key.iter().zip(cursor).map(|((column, _), value)| match self.table.dialect {
            Dialect::Postgres => Expr::cust_with_values(format!("$1::text::{}", column.base_type), [value]),
            Dialect::Sqlite => Expr::val(value),
        });
        Expr::tuple(columns).gt(Expr::tuple(values))
    }

    fn row(&self, row: &QueryResult) -> Result<(Key, KeyCursor), Error> {
        let table = &self.table.resource.table;
        let unread = || Error::database(format!("read the key of a row to remove from table `{table}`"));
        let columns = 0..self.table.key.len();
        let parts: Vec<String> =
            columns.clone().map(|n| row.try_get("", &format!("k{n}"))).collect::<Result<_, _>>().map_err(unread())?;
        let cursor = match self.table.dialect {
            Dialect::Postgres => parts.iter().map(|part| Value::from(part.as_str())).collect(),
            Dialect::Sqlite => columns.map(|n| stored_value(row, n)).collect::<Result<_, _>>().map_err(unread())?,
        };
        let text = match &parts[..] {
            [one] => one.clone(),
            many => serde_json::Value::from(many.to_vec()).to_string(),
        };
        let invalid = |source| Error::InvalidKey { resource: self.table.name.to_string(), source };
        Ok((self.table.parse_key(&text).map_err(invalid)?, KeyCursor(cursor)))
    }
}

/// The value of a key column as SQLite holds it.
fn stored_value(row: &QueryResult, n: usize) -> Result<Value, DbErr> {
    let (column, kind) = (format!("c{n}"), row.try_get::<String>("", &format!("t{n}"))?);
    Ok(match kind.as_str() {
        "integer" => row.try_get::<i64>("", &column)?.into(),
        "blob" => row.try_get::<Vec<u8>>("", &column)?.into(),
        _ => row.try_get::<String>("", &column)?.into(),
    })
}

/// How the entity's own queries name its table.
fn alias<E: EntityTrait>() -> String {
    quote(E::default().table_name())
}
