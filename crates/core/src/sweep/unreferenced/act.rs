//! Doing something with rows that were looked at: in small transactions that wait at most 100 ms for a lock.

use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::{Step, TablePass};
use crate::{
    catalog::{Among, Table},
    db::{self, Dialect, RowLocks, Sql, kill_point, literal, millis, quote},
    key::Key,
    soft_remove::{DeletionRequest, soft_remove},
};

impl TablePass<'_> {
    /// Does `step` with those of the rows that are not locked and with which it is still to be done; returns their
    /// keys.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses, also when the table has been locked for 100 ms;
    /// nothing changed then.
    pub async fn act(&self, step: Step, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        let transaction = self.store.db.begin_giving_way_by_index().await?;
        let done = async {
            let keys = self.lock(&transaction, step, keys).await?;
            match (keys.is_empty(), self.store.db.dialect) {
                (true, _) => Ok(keys),
                (false, Dialect::Postgres) => self.change_all(&transaction, step, &keys).await,
                (false, Dialect::Sqlite) => self.change_each(&transaction, step, &keys).await,
            }
        };
        end_transaction(done.await, transaction).await
    }

    /// [`Step::Delete`] for rows of `table` with targets or children: requests their deletions, and returns their keys.
    ///
    /// # Errors
    /// As [`Self::act`].
    pub async fn request(&self, table: &Table, request: &DeletionRequest, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        let transaction = self.store.db.begin_giving_way_by_index().await?;
        let requested = async {
            let keys = self.lock(&transaction, Step::Delete, keys).await?;
            let condition = format!("not {}", self.unreferenced.referenced());
            let among = Among { source: &table.sql, condition: &condition, locks: RowLocks::None };
            let keys = table.rows_among(&transaction, &keys, &among).await?;
            soft_remove(&transaction, self.store, table, &keys, request).await?;
            Ok(keys)
        };
        end_transaction(requested.await, transaction).await
    }

    /// The first statement: locks the rows. It does not ask whether one is referenced: its answer might be older than
    /// the lock.
    async fn lock(&self, transaction: &impl ConnectionTrait, step: Step, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        let since = self.unreferenced.since.of("t");
        let (condition, locks) = match step {
            // A transaction may be about to reference it once more, which does no harm.
            Step::Clear => (format!("{since} is not null"), RowLocks::SkipLockedNoKey),
            Step::Deprecate => (format!("{since} is null"), RowLocks::SkipLocked),
            Step::Restart => (format!("{since} is not null"), RowLocks::SkipLocked),
            Step::Delete => {
                let settings = &self.unreferenced.settings;
                let (uncovered, old) = (self.is_uncovered(), self.is_since(settings.delete_after));
                // The process may have stood still since it looked.
                let d = self.store.db.dialect;
                let looked_at = d.instant(&literal(self.looked_at));
                let lately = format!("{looked_at} >= {}", d.instant_ago(millis(settings.longest_gap())));
                (format!("{since} is not null and not {uncovered} and {old} and {lately}"), RowLocks::SkipLocked)
            }
        };
        let live = self.table.map_or_else(|| "true".to_owned(), |table| table.live("t"));
        let condition = format!("{condition} and {live}");
        let among = Among { source: &self.unreferenced.rows.sql, condition: &condition, locks };
        let locked = self.unreferenced.rows.rows_among(transaction, keys, &among).await;
        kill_point("unreferenced::locked");
        locked
    }

    /// The second statement (PostgreSQL), which sees every reference that was committed before the locks were taken.
    async fn change_all(
        &self,
        transaction: &impl ConnectionTrait,
        step: Step,
        keys: &[Key],
    ) -> Result<Vec<Key>, db::Error> {
        let rows = &self.unreferenced.rows;
        let change = self.statement(
            step,
            "-- write down since when rows are unreferenced
             update {table} t set {assignment} from {keys} where {key_equals} and {condition} returning {key} as key",
            "-- delete unreferenced rows
             delete from {table} t using {keys} where {key_equals} and {condition} returning {key} as key",
        );
        let changed = change.bind([("keys", Key::records(keys).to_string().into())]).all(transaction).await?;
        changed.iter().map(|row| rows.read_key(row)).collect()
    }

    /// The same on SQLite, which has one writer: there is no lock to take first.
    async fn change_each(
        &self,
        transaction: &impl ConnectionTrait,
        step: Step,
        keys: &[Key],
    ) -> Result<Vec<Key>, db::Error> {
        let change = self.statement(
            step,
            "-- write down since when a row is unreferenced
             update {table} as t set {assignment} where {key_is_bound} and {condition}",
            "-- delete an unreferenced row
             delete from {table} as t where {key_is_bound} and {condition}",
        );
        let mut changed = Vec::new();
        for key in keys {
            if change.bind_all(key.values()).execute(transaction).await? > 0 {
                changed.push(key.clone());
            }
        }
        Ok(changed)
    }

    /// Of two texts the one for `step`, rendered.
    fn statement(&self, step: Step, update: &str, delete: &str) -> Sql {
        let (since, rows) = (&self.unreferenced.since, &self.unreferenced.rows);
        let name = quote(&since.name);
        rows.rendered.get(format!("unreferenced.{step:?}"), || {
            let words = rows.words().with([("condition", self.condition(step))]);
            match step {
                Step::Clear => words.with([("assignment", format!("{name} = null"))]).render(update),
                Step::Deprecate | Step::Restart => {
                    words.with([("assignment", format!("{name} = {}", since.now()))]).render(update)
                }
                Step::Delete => words.render(delete),
            }
        })
    }

    fn condition(&self, step: Step) -> String {
        match step {
            // It was referenced when it was looked at, and that is enough.
            Step::Clear => "true".to_owned(),
            _ => format!("not {}", self.unreferenced.referenced()),
        }
    }
}

async fn end_transaction<T>(done: Result<T, db::Error>, transaction: DatabaseTransaction) -> Result<T, db::Error> {
    match done {
        Ok(done) => {
            kill_point("unreferenced::before");
            transaction.commit().await?;
            kill_point("unreferenced::committed");
            Ok(done)
        }
        Err(error) => {
            transaction.rollback().await?;
            Err(error)
        }
    }
}
