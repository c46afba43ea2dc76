//! What an answer holds while it is kept.

use std::{any::Any, fmt, sync::Arc};

/// Memory that was reserved for an answer. It is given back when the last copy of the answer is dropped.
#[derive(Clone, Default)]
pub struct Reserved(#[expect(dead_code, reason = "it is kept for its drop")] Option<Arc<dyn Any + Send + Sync>>);

impl Reserved {
    /// Keeps `permit` for as long as the answer.
    #[must_use]
    pub fn new(permit: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(permit)))
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reserved")
    }
}
