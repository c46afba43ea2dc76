//! What every process looks after while it works: leases, expired leases, deletions that wait for their children, probes of
//! shut lanes, and gauges.

mod figures;
mod leases;
mod probe;
mod rescue;
mod waiting;

pub(crate) use figures::refresh_gauges;
pub(crate) use leases::renew_leases;
pub(crate) use probe::probe;
pub(crate) use rescue::rescue;
pub(crate) use waiting::advance_waiting;
