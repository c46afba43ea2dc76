//! What every process looks after while it works, one file a service.
//!
//! | service | how often |
//! |---|---|
//! | [`LeaseRenewal`] | every third of a lease |
//! | [`Rescue`] | every quarter of a lease |
//! | [`ParentRelease`] | when a deletion ended here, and every quarter of a lease |
//! | [`StrandedWatch`] | every lease |
//! | [`GateWatch`] | every second, and upon word of a change |
//! | [`GaugeRefresh`] | every five seconds |
//! | [`GuardsWatch`] | every minute |

mod children;
mod gates;
mod gauges;
mod guards;
mod leases;
mod rescue;
mod service;
mod stranded;

pub(crate) use children::ParentRelease;
pub(crate) use gates::GateWatch;
pub(crate) use gauges::GaugeRefresh;
pub(crate) use guards::GuardsWatch;
pub(crate) use leases::LeaseRenewal;
pub(crate) use rescue::Rescue;
pub(crate) use service::{Service, keep_running};
pub(crate) use stranded::StrandedWatch;
