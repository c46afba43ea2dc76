//! Phase 1: which rows are marked, what is recorded, and rows without targets, which go in this phase.

mod keys;
mod races;
mod request;
mod selection;
mod without_targets;
mod zones;
