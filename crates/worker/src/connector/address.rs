//! Which addresses a call may go to.
//!
//! A row's values never choose the host, but DNS does. Who controls a name could make it resolve to a private address
//! and so reach into the cluster. Such addresses are refused after resolution, unless the target allows them.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sexton_core::config::Target;

/// Which addresses may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AllowedAddresses {
    /// Those on the public internet.
    Public,
    /// Private ones, too.
    Any,
}

impl AllowedAddresses {
    /// As the target's `allow_private` says.
    pub(super) const fn of_target(target: &Target) -> Self {
        if target.allow_private { Self::Any } else { Self::Public }
    }
}

use super::special_purpose::is_special_purpose;

/// The message by which a refused name is recognised.
pub(crate) const REFUSED: &str = "private address refused";

/// Resolves names with the system's resolver and refuses private addresses.
pub(crate) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One private address among public ones is enough: the caller may connect to any of them.
            if found.iter().any(|address| is_special_purpose(address.ip())) {
                return Err(REFUSED.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
