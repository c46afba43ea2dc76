//! Phase 1: mark rows and record their deletions, in a transaction of our own or in the caller's.

use std::{collections::HashSet, sync::Arc};

use sea_orm::{DatabaseTransaction, ModelTrait};
use sexton_core::{
    catalog::Table,
    db::kill_point,
    key::Key,
    removal::{Requested, soft_remove},
};

use crate::{Error, Pending, Producer, entities::configured, keys::key_of, pending::due};

/// Rows of one resource.
struct Rows<'p> {
    table: &'p Arc<Table>,
    keys: Vec<Key>,
}

impl Producer {
    /// Marks the row and records its deletion in a transaction of its own, then hints at it.
    ///
    /// A row with an open deletion gets no second one: that one is returned, with `created = false`.
    ///
    /// # Errors
    /// [`Error::UnknownTable`] and its like when the entity does not fit the configuration, [`Error::NotFound`] when the
    /// row is gone, [`Error::Database`]. Nothing was changed.
    pub async fn soft_remove<M: ModelTrait>(&self, model: &M) -> Result<Requested, Error> {
        self.one(self.row(model)?).await
    }

    /// As [`Self::soft_remove`] for several rows of one entity, all or nothing, in one round trip on PostgreSQL. Rows
    /// that are gone are left out of the result, which is in no particular order.
    ///
    /// # Errors
    /// As [`Self::soft_remove`], without [`Error::NotFound`].
    pub async fn soft_remove_many<M: ModelTrait>(&self, models: &[M]) -> Result<Vec<Requested>, Error> {
        self.commit(&self.rows(models)?).await
    }

    /// As [`Self::soft_remove`] by the resource's name and the row's key as text: the value itself, or for a composite
    /// key a JSON array with one string or number per column, in configured order.
    ///
    /// # Errors
    /// [`Error::UnknownResource`], [`Error::InvalidKey`], [`Error::NotFound`], [`Error::Database`].
    pub async fn soft_remove_by_key(&self, resource: &str, key: &str) -> Result<Requested, Error> {
        self.one(self.row_by_key(resource, key)?).await
    }

    /// As [`Self::soft_remove`] within the caller's transaction, so that it commits together with whatever else is in
    /// it. After the commit, hand the result to [`Self::enqueue`].
    ///
    /// On SQLite the transaction should come from [`Self::begin`]. After an error of the database it must be rolled
    /// back. It takes a transaction and not any `ConnectionTrait`, because on a pool the mark and its record would not
    /// be one.
    ///
    /// ```no_run
    /// # use sea_orm::ModelTrait;
    /// # async fn example(producer: sexton_producer::Producer, booking: impl ModelTrait)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// let transaction = producer.begin().await?;
    /// // … the application's own changes …
    /// let pending = producer.soft_remove_in(&transaction, &booking).await?;
    /// transaction.commit().await?;
    /// producer.enqueue(pending);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::soft_remove`].
    pub async fn soft_remove_in<M: ModelTrait>(
        &self,
        transaction: &DatabaseTransaction,
        model: &M,
    ) -> Result<Pending, Error> {
        let row = self.row(model)?;
        Ok(Pending::new(vec![self.find(&row, self.request(transaction, &row).await?)?]))
    }

    /// As [`Self::soft_remove_many`] within the caller's transaction; see [`Self::soft_remove_in`].
    ///
    /// # Errors
    /// As [`Self::soft_remove_many`].
    pub async fn soft_remove_many_in<M: ModelTrait>(
        &self,
        transaction: &DatabaseTransaction,
        models: &[M],
    ) -> Result<Pending, Error> {
        Ok(Pending::new(self.request(transaction, &self.rows(models)?).await?))
    }

    /// As [`Self::soft_remove_by_key`] within the caller's transaction; see [`Self::soft_remove_in`].
    ///
    /// # Errors
    /// As [`Self::soft_remove_by_key`].
    pub async fn soft_remove_by_key_in(
        &self,
        transaction: &DatabaseTransaction,
        resource: &str,
        key: &str,
    ) -> Result<Pending, Error> {
        let row = self.row_by_key(resource, key)?;
        Ok(Pending::new(vec![self.find(&row, self.request(transaction, &row).await?)?]))
    }

    fn row<M: ModelTrait>(&self, model: &M) -> Result<Rows<'_>, Error> {
        self.rows(std::slice::from_ref(model))
    }

    fn rows<M: ModelTrait>(&self, models: &[M]) -> Result<Rows<'_>, Error> {
        let table = self.table_of::<M::Entity>()?;
        let mut seen = HashSet::with_capacity(models.len());
        let mut keys = Vec::with_capacity(models.len());
        for model in models {
            let key = key_of(table, model)?;
            if seen.insert(key.clone()) {
                keys.push(key);
            }
        }
        Ok(Rows { table, keys })
    }

    fn row_by_key(&self, resource: &str, key: &str) -> Result<Rows<'_>, Error> {
        let catalog = &self.shared.catalog;
        let table = catalog.by_name(resource).ok_or_else(|| Error::UnknownResource {
            resource: resource.to_owned(),
            configured: configured(catalog.tables()),
        })?;
        let key = table.parse_key(key).map_err(|source| Error::InvalidKey { resource: resource.to_owned(), source })?;
        Ok(Rows { table, keys: vec![key] })
    }

    async fn one(&self, row: Rows<'_>) -> Result<Requested, Error> {
        let requested = self.commit(&row).await?;
        self.find(&row, requested)
    }

    /// The only one, or the error that there is none.
    fn find(&self, row: &Rows<'_>, requested: Vec<Requested>) -> Result<Requested, Error> {
        requested.into_iter().next().ok_or_else(|| Error::NotFound {
            resource: row.table.name.to_string(),
            table: row.table.resource.table.clone(),
            key: row.keys.iter().map(ToString::to_string).collect(),
        })
    }

    /// In a transaction of our own. Dropping it before the commit rolls it back.
    async fn commit(&self, rows: &Rows<'_>) -> Result<Vec<Requested>, Error> {
        if rows.keys.is_empty() {
            return Ok(Vec::new());
        }
        let transaction = self.begin().await?;
        let requested = self.request(&transaction, rows).await?;
        kill_point("request::before");
        transaction.commit().await.map_err(Error::database(action("commit the removal of", rows)))?;
        kill_point("request::committed");
        self.shared.hints.push(due(&requested));
        Ok(requested)
    }

    async fn request(&self, transaction: &DatabaseTransaction, rows: &Rows<'_>) -> Result<Vec<Requested>, Error> {
        if rows.keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut request = self.removal.request();
        request.notify = self.shared.hints.are_off();
        soft_remove(transaction, &self.shared.ledger, &self.shared.catalog, rows.table, &rows.keys, &request)
            .await
            .map_err(Error::database(action("soft-remove", rows)))
    }
}

fn action(verb: &str, rows: &Rows<'_>) -> String {
    let table = &rows.table.resource.table;
    match &rows.keys[..] {
        [key] => format!("{verb} the row with key {key} of table `{table}`"),
        keys => format!("{verb} {} rows of table `{table}`", keys.len()),
    }
}
