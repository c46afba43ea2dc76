//! The sweep `unreferenced`: rows that exist only because others reference them.

pub(crate) mod fixture;
mod guards;
mod interleavings;
mod locks;
mod passes;
mod plans;
mod references;
mod refusals;
pub(crate) mod toys;
