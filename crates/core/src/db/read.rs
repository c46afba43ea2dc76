//! Queries that may take long and cannot write.

use sea_orm::{AccessMode, ConnectionTrait, DbErr, IsolationLevel, QueryResult, TransactionTrait, Value};

use super::{
    Db, Dialect,
    connect::{BY_INDEX, GIVE_WAY},
};

impl Db {
    /// Runs a query in a transaction of its own that cannot write, without a limit of time.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn read_only(&self, sql: String, values: Vec<Value>) -> Result<Vec<QueryResult>, DbErr> {
        self.read(sql, values, "set local statement_timeout = 0").await
    }

    /// The same for a bounded number of rows and one who waits for nobody: by index, and 100 ms for a lock on the table
    /// (PostgreSQL).
    ///
    /// # Errors
    /// As [`Self::read_only`].
    pub(crate) async fn read_giving_way(&self, sql: String, values: Vec<Value>) -> Result<Vec<QueryResult>, DbErr> {
        self.read(sql, values, &format!("set local statement_timeout = 0; {GIVE_WAY}; {BY_INDEX}")).await
    }

    /// The same for one who would rather not know than have it take long: five seconds (PostgreSQL).
    ///
    /// # Errors
    /// As [`Self::read_only`].
    pub(crate) async fn read_briefly(&self, sql: String, values: Vec<Value>) -> Result<Vec<QueryResult>, DbErr> {
        self.read(sql, values, &format!("set local statement_timeout = '5s'; {GIVE_WAY}")).await
    }

    async fn read(&self, sql: String, values: Vec<Value>, limits: &str) -> Result<Vec<QueryResult>, DbErr> {
        let statement = self.dialect.statement(sql, values);
        match self.dialect {
            Dialect::Postgres => {
                let (level, mode) = (IsolationLevel::ReadCommitted, AccessMode::ReadOnly);
                let transaction = self.conn.begin_with_config(Some(level), Some(mode)).await?;
                transaction.execute_unprepared(limits).await?;
                let result = transaction.query_all_raw(statement).await;
                transaction.rollback().await?;
                result
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
                reading.await.map_err(|error| DbErr::Custom(format!("reading was cut off: {error}")))?
            }
        }
    }
}
