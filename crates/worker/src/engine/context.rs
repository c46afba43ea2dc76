//! What the parts of a process share.

use sexton_core::{config::Config, store::Store};

use crate::{connector::Connectors, gate::Gates};

/// Everything that the parts of a process share.
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) config: Config,
    /// The name under which this process claims.
    pub(crate) worker: String,
    pub(crate) connectors: Connectors,
    pub(crate) gates: Gates,
}
