//! HTTP clients. Targets that reach their systems in the same way share one, with its open connections.
//!
//! Setting one up takes a tenth of a second: it reads the system's certificates.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use reqwest::{Certificate, Client, Proxy, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use sexton_core::config::Target;

use super::{
    SetupError,
    address::{AllowedAddresses, PublicOnly},
    exchange::Exchange,
    memory::AnswerMemory,
};
use crate::descriptors::descriptors;

/// The longest time to connect.
const CONNECT: Duration = Duration::from_secs(5);

/// How a target is reached.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Transport {
    addresses: AllowedAddresses,
    ca_file: Option<PathBuf>,
    proxy: Option<String>,
    http2: bool,
    connect_timeout: Duration,
    reuse: bool,
}

impl Transport {
    /// To these addresses, with usual settings.
    pub(super) const fn new(addresses: AllowedAddresses) -> Self {
        Self { addresses, ca_file: None, proxy: None, http2: false, connect_timeout: CONNECT, reuse: true }
    }

    /// As the general settings of a target say.
    pub(super) fn for_target(target: &Target) -> Self {
        let transport = Self::new(AllowedAddresses::of_target(target));
        if target.repeatable { transport } else { transport.with_certain_failures(target.timeout) }
    }

    /// Trusts the authorities in a file besides the system's.
    pub(super) fn with_authorities(self, ca_file: Option<PathBuf>) -> Self {
        Self { ca_file, ..self }
    }

    /// Through a proxy, which may be at any address. The proxy resolves names, so private addresses are not noticed.
    pub(super) fn with_proxy(self, proxy: Option<&SecretString>) -> Self {
        Self { proxy: proxy.map(|url| url.expose_secret().to_owned()), ..self }
    }

    /// HTTP/2 from the first byte.
    pub(super) fn with_http2(self, http2: bool) -> Self {
        Self { http2, ..self }
    }

    /// Makes most failures certain: it is known that nothing was sent.
    /// - No connection is used twice. One that the server closes in the same moment looks like a lost answer.
    /// - Connecting ends well before the call's timeout.
    fn with_certain_failures(self, timeout: Duration) -> Self {
        Self { reuse: false, connect_timeout: CONNECT.min(timeout / 2), ..self }
    }
}

/// The clients of a process, and the memory for what they are answered.
pub(super) struct HttpClients {
    made: HashMap<Transport, Client>,
    memory: AnswerMemory,
}

impl HttpClients {
    /// None so far; answers may take this much memory in all.
    pub(super) fn with_memory(memory: AnswerMemory) -> Self {
        Self { made: HashMap::new(), memory }
    }

    /// The way to a target.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) fn exchange(&mut self, transport: &Transport) -> Result<Exchange, SetupError> {
        Ok(Exchange::new(self.get(transport)?, transport.addresses, self.memory.clone()))
    }

    /// The client for a transport.
    ///
    /// # Errors
    /// [`SetupError`]: the system's certificates or `ca_file` cannot be read, or the proxy's URL is none.
    pub(super) fn get(&mut self, transport: &Transport) -> Result<Client, SetupError> {
        if let Some(client) = self.made.get(transport) {
            return Ok(client.clone());
        }
        let client = build(transport)?;
        self.made.insert(transport.clone(), client.clone());
        Ok(client)
    }
}

/// The most connections to a host that are kept open for later calls. Others need descriptors too.
fn most_idle() -> usize {
    descriptors().map_or(256, |limit| (limit / 8).min(256))
}

fn build(transport: &Transport) -> Result<Client, SetupError> {
    let mut builder = Client::builder()
        .user_agent(concat!("sexton/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(transport.connect_timeout)
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(if transport.reuse { most_idle() } else { 0 })
        .tcp_nodelay(true)
        // `exchange` follows redirects itself, and only to the same host.
        .redirect(Policy::none())
        .no_proxy();
    if let Some(path) = &transport.ca_file {
        let unusable = |why: String| SetupError::Authorities { path: path.display().to_string(), why };
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
        if authorities.is_empty() {
            return Err(unusable("it has no certificate".to_owned()));
        }
        builder = builder.tls_certs_merge(authorities);
    }
    match (&transport.proxy, transport.addresses) {
        (Some(proxy), _) => builder = builder.proxy(Proxy::all(proxy)?),
        (None, AllowedAddresses::Public) => builder = builder.dns_resolver(Arc::new(PublicOnly)),
        (None, AllowedAddresses::Any) => {}
    }
    if transport.http2 {
        builder = builder.http2_prior_knowledge();
    }
    Ok(builder.build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_are_reached_in_the_same_way_share_a_client() {
        crate::tls::install();
        let mut clients = HttpClients::with_memory(AnswerMemory::of_mib(1));
        let (timeout, proxy) = (Duration::from_secs(1), SecretString::from("http://127.0.0.1:1"));
        let ways = [
            Transport::new(AllowedAddresses::Public),
            Transport::new(AllowedAddresses::Any),
            Transport::new(AllowedAddresses::Any).with_http2(true),
            Transport::new(AllowedAddresses::Any).with_proxy(Some(&proxy)),
            Transport::new(AllowedAddresses::Any).with_certain_failures(timeout),
        ];
        for way in ways.iter().chain(&ways) {
            clients.get(way).unwrap();
        }
        assert_eq!(clients.made.len(), ways.len());
    }
}
