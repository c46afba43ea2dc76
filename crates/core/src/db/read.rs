//! Queries that may take long and cannot write.

use std::sync::Arc;

use sea_orm::{AccessMode, ConnectionTrait, IsolationLevel, QueryResult, Statement, TransactionTrait};

use super::{
    Db, Dialect, Error, Query, Row,
    connect::{BY_INDEX, GIVE_WAY},
};

impl Query {
    /// Runs a query in a transaction of its own that cannot write, without a limit of time; all rows.
    ///
    /// # Errors
    /// [`Error`], with what the query does.
    pub async fn read_only(self, db: &Db) -> Result<Vec<Row>, Error> {
        self.read(db, "set local statement_timeout = 0").await
    }

    /// The same for a bounded number of rows and a caller that must not wait: by index, and 100 ms for a lock on the
    /// table (PostgreSQL).
    ///
    /// # Errors
    /// As [`Self::read_only`].
    pub async fn read_giving_way(self, db: &Db) -> Result<Vec<Row>, Error> {
        self.read(db, &format!("set local statement_timeout = 0; {GIVE_WAY}; {BY_INDEX}")).await
    }

    /// The same for a caller that would rather not know than have it take long: five seconds (PostgreSQL).
    ///
    /// # Errors
    /// As [`Self::read_only`].
    pub async fn read_briefly(self, db: &Db) -> Result<Vec<Row>, Error> {
        self.read(db, &format!("set local statement_timeout = '5s'; {GIVE_WAY}")).await
    }

    async fn read(self, db: &Db, limits: &str) -> Result<Vec<Row>, Error> {
        let (statement, purpose, about) = self.into_parts();
        match db.run(statement, limits).await {
            Ok(rows) => Ok(rows.into_iter().map(|row| Row::new(row, Arc::clone(&purpose))).collect()),
            Err(error) => Err(Error::new(&purpose, about, error.into_source())),
        }
    }
}

impl Db {
    async fn run(&self, statement: Statement, limits: &str) -> Result<Vec<QueryResult>, Error> {
        match self.dialect {
            Dialect::Postgres => {
                let (level, mode) = (IsolationLevel::ReadCommitted, AccessMode::ReadOnly);
                let transaction = self.conn.begin_with_config(Some(level), Some(mode)).await?;
                transaction.execute_unprepared(&format!("{}{limits}", self.own_path())).await?;
                let result = transaction.query_all_raw(statement).await;
                transaction.rollback().await?;
                Ok(result?)
            }
            Dialect::Sqlite => {
                let conn = self.conn.clone();
                // A task of its own, so that a caller that is dropped leaves no connection behind that cannot write.
                let reading = tokio::spawn(async move {
                    let transaction = conn.begin().await?;
                    transaction.execute_unprepared("pragma query_only = on").await?;
                    let result = transaction.query_all_raw(statement).await;
                    transaction.execute_unprepared("pragma query_only = off").await?;
                    transaction.rollback().await?;
                    result
                });
                Ok(reading.await.map_err(|error| Error::other("read", error))??)
            }
        }
    }
}
