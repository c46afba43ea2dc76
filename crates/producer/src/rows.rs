//! The rows, or deletions, that a call is about.

use std::{collections::HashSet, sync::Arc};

use sexton_core::{
    catalog::Table,
    ids::{BatchId, DeletionId},
    key::Key,
    restore,
};

use crate::{Error, Producer, entity_tables::configured};

/// Rows of one resource.
pub(crate) struct KeyedRows {
    pub(crate) table: Arc<Table>,
    pub(crate) keys: Vec<Key>,
}

/// What is to be restored.
pub(crate) enum ToRestore {
    Deletion(DeletionId),
    Batch(BatchId),
    Row(KeyedRows),
}

impl KeyedRows {
    /// The rows with these keys, each once.
    pub(crate) fn new(table: &Arc<Table>, keys: impl Iterator<Item = Result<Key, Error>>) -> Result<Self, Error> {
        let mut seen = HashSet::new();
        let mut unique = Vec::new();
        for key in keys {
            let key = key?;
            if seen.insert(key.clone()) {
                unique.push(key);
            }
        }
        Ok(Self { table: Arc::clone(table), keys: unique })
    }

    pub(crate) fn by_key(producer: &Producer, resource: &str, key: &str) -> Result<Self, Error> {
        let catalog = &producer.shared.store.catalog;
        let table = catalog.by_name(resource).ok_or_else(|| Error::UnknownResource {
            resource: resource.to_owned(),
            configured: configured(catalog.tables()),
        })?;
        let key = table.parse_key(key).map_err(|source| Error::InvalidKey { resource: resource.to_owned(), source });
        Self::new(table, [key].into_iter())
    }

    pub(crate) fn key(&self) -> String {
        self.keys.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn describe(&self, verb: &str) -> String {
        let table = &self.table.resource.table;
        match &self.keys[..] {
            [key] => format!("{verb} the row with key {key} of table `{table}`"),
            keys => format!("{verb} {} rows of table `{table}`", keys.len()),
        }
    }
}

impl ToRestore {
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Deletion(id) => format!("deletion {id}"),
            Self::Batch(batch) => format!("batch {batch}"),
            Self::Row(row) => row.describe("restore").replacen("restore ", "", 1),
        }
    }

    pub(crate) fn unknown(&self) -> Error {
        match self {
            Self::Deletion(id) => restore::Error::NotFound(*id).into(),
            Self::Batch(batch) => restore::Error::NothingInBatch(*batch).into(),
            Self::Row(row) => Error::NotRequested {
                resource: row.table.name.to_string(),
                table: row.table.resource.table.clone(),
                key: row.key(),
            },
        }
    }
}
