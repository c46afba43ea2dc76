//! Doing something with rows that were looked at: in small transactions that wait for nobody.

use sea_orm::{ConnectionTrait, DatabaseTransaction, QueryResult};

use super::{Pass, Step};
use crate::{
    catalog::{Among, Lock, Table},
    db::{self, Dialect, kill_point, literal, millis, quote, recordset},
    key::Key,
    soft_remove::{Request, soft_remove},
};

impl Pass<'_> {
    /// Does `step` with those of the rows that nobody has locked and with which it is still to be done; returns their keys.
    ///
    /// # Errors
    /// Whatever the database says, also that a lock on the table has been held for 100 ms; nothing was changed then.
    pub async fn act(&self, step: Step, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        let transaction = self.store.db.begin_giving_way_by_index().await?;
        let done = async {
            let keys = self.lock(&transaction, step, keys).await?;
            match (keys.is_empty(), self.store.db.dialect) {
                (true, _) => Ok(keys),
                (false, Dialect::Postgres) => self.postgres(&transaction, step, &keys).await,
                (false, Dialect::Sqlite) => self.sqlite(&transaction, step, &keys).await,
            }
        };
        end(done.await, transaction).await
    }

    /// [`Step::Delete`] for rows of `table`, with targets or children: requests their deletions, which workers see to, and
    /// returns their keys.
    ///
    /// # Errors
    /// As [`Self::act`].
    pub async fn request(&self, table: &Table, request: &Request, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        let transaction = self.store.db.begin_giving_way_by_index().await?;
        let requested = async {
            let keys = self.lock(&transaction, Step::Delete, keys).await?;
            let condition = format!("not {}", self.unreferenced.referenced());
            let among = Among { source: &table.sql, condition: &condition, lock: Lock::None };
            let keys = table.rows_among(&transaction, &keys, &among).await?;
            soft_remove(&transaction, self.store, table, &keys, request).await?;
            Ok(keys)
        };
        end(requested.await, transaction).await
    }

    /// The first statement: locks the rows. Whether one is referenced is not asked here, where the answer may be older than
    /// the lock.
    async fn lock(&self, transaction: &impl ConnectionTrait, step: Step, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        let since = self.unreferenced.since.of("t");
        let (condition, lock) = match step {
            // Somebody may be about to reference it once more, which does no harm.
            Step::Clear => (format!("{since} is not null"), Lock::SkipNoKey),
            Step::Deprecate => (format!("{since} is null"), Lock::Skip),
            Step::Restart => (format!("{since} is not null"), Lock::Skip),
            Step::Delete => {
                let settings = &self.unreferenced.settings;
                let (uncovered, old) = (self.is_uncovered(), self.is_since(settings.delete_after));
                // A process may have stood still since it asked.
                let d = self.store.db.dialect;
                let looked_at = d.instant(&literal(self.looked_at));
                let lately = format!("{looked_at} >= {}", d.instant_ago(millis(settings.longest_gap())));
                (format!("{since} is not null and not {uncovered} and {old} and {lately}"), Lock::Skip)
            }
        };
        let live = self.table.map_or_else(|| "true".to_owned(), |table| table.live("t"));
        let condition = format!("{condition} and {live}");
        let among = Among { source: &self.unreferenced.rows.sql, condition: &condition, lock };
        let locked = self.unreferenced.rows.rows_among(transaction, keys, &among).await;
        kill_point("unreferenced::locked");
        locked
    }

    /// The second statement, which sees every reference that was committed before the locks were had.
    async fn postgres(
        &self,
        transaction: &impl ConnectionTrait,
        step: Step,
        keys: &[Key],
    ) -> Result<Vec<Key>, db::Error> {
        let rows = &self.unreferenced.rows;
        let (table, these) = (&rows.sql, recordset(1, &rows.key_record()));
        let what = match self.assignment(step) {
            None => format!("delete from {table} t using {these}"),
            Some(set) => format!("update {table} t set {set} from {these}"),
        };
        let (equal, key, condition) = (rows.key_equals("t", "x"), rows.key_text("t"), self.condition(step));
        let sql = format!("{what} where {equal} and {condition} returning {key} as key");
        let values = [Key::records(keys).to_string().into()];
        let key = |row: &QueryResult| {
            rows.parse_key(&row.try_get::<String>("", "key")?).map_err(|e| db::Error::unreadable(e.to_string()))
        };
        transaction.query_all_raw(rows.dialect.statement(sql, values)).await?.iter().map(key).collect()
    }

    /// The same where there is one writer, and no lock to be had first.
    async fn sqlite(
        &self,
        transaction: &impl ConnectionTrait,
        step: Step,
        keys: &[Key],
    ) -> Result<Vec<Key>, db::Error> {
        let rows = &self.unreferenced.rows;
        let what = match self.assignment(step) {
            None => format!("delete from {} as t", rows.sql),
            Some(set) => format!("update {} as t set {set}", rows.sql),
        };
        let mut done = Vec::new();
        for key in keys {
            let mut values = Vec::new();
            let matches = rows.key_matches("t", key, &mut values);
            let sql = format!("{what} where {matches} and {}", self.condition(step));
            if transaction.execute_raw(rows.dialect.statement(sql, values)).await?.rows_affected() > 0 {
                done.push(key.clone());
            }
        }
        Ok(done)
    }

    /// None: the row is deleted.
    fn assignment(&self, step: Step) -> Option<String> {
        let since = &self.unreferenced.since;
        let name = quote(&since.name);
        match step {
            Step::Clear => Some(format!("{name} = null")),
            Step::Deprecate | Step::Restart => Some(format!("{name} = {}", since.now())),
            Step::Delete => None,
        }
    }

    fn condition(&self, step: Step) -> String {
        match step {
            // A moment ago it was referenced, and that is enough.
            Step::Clear => "true".to_owned(),
            _ => format!("not {}", self.unreferenced.referenced()),
        }
    }
}

async fn end<T>(done: Result<T, db::Error>, transaction: DatabaseTransaction) -> Result<T, db::Error> {
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
