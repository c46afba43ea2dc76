//! What a sweep works with.

use sexton_core::{config::Config, store::Store};

use crate::{connector::Connectors, gate::Gates};

/// What a sweep works with.
#[derive(Clone, Copy)]
pub(crate) struct SweepContext<'a> {
    pub(crate) store: &'a Store,
    pub(crate) config: &'a Config,
    /// None if no sweep that calls targets is run.
    pub(crate) targets: Option<TargetAccess<'a>>,
}

/// What targets are called with.
#[derive(Clone, Copy)]
pub(crate) struct TargetAccess<'a> {
    pub(crate) connectors: &'a Connectors,
    pub(crate) gates: &'a Gates,
}
