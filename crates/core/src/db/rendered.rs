//! Statements that are rendered when they are first needed, and kept.

use std::{
    any::{Any, TypeId},
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Sql, Words};

/// The statements of an operation.
pub trait Statements: Send + Sync + 'static {
    /// Puts the words into the texts.
    fn render(words: &Words) -> Self;
}

/// Statements of modules that the holder of the words does not know, one of each type. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Rendered(Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>);

impl Rendered {
    /// The statements of type `T`, rendered with `words` at the first call.
    pub fn get<T: Statements>(&self, words: &Words) -> Arc<T> {
        let mut rendered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rendered.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::render(words)));
        // The map holds a `T` under the id of `T`.
        Arc::clone(known).downcast().unwrap_or_else(|_| Arc::new(T::render(words)))
    }
}

/// Statements on the rows of one table, each rendered at its first use and kept under the name that its caller gives
/// it. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct RenderedByName(Arc<Mutex<HashMap<Cow<'static, str>, Sql>>>);

impl RenderedByName {
    /// The statement called `name`; `render` makes it at the first call.
    pub fn get(&self, name: impl Into<Cow<'static, str>>, render: impl FnOnce() -> Sql) -> Sql {
        let mut rendered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rendered.entry(name.into()).or_insert_with(render).clone()
    }
}
