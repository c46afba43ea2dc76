//! The HTTP addresses: the console's, which is the API's as well unless the API has its own.

use std::net::SocketAddr;

use axum::Router;
use sexton_core::config::Config;
use tokio::net::TcpListener;

use super::{
    StartError,
    services::{Services, Stops},
};
use crate::server::{self, Limits};

/// The addresses of a process, bound but not served yet.
pub(super) struct Addresses {
    console: BoundListener,
    api: Option<BoundListener>,
    limits: Limits,
}

struct BoundListener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Addresses {
    /// Binds the configured addresses.
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub(super) async fn bind(config: &Config) -> Result<Self, StartError> {
        let console = BoundListener::new("console.listen", config.console.listen).await?;
        let api = match config.api.listen {
            Some(listen) => Some(BoundListener::new("api.listen", listen).await?),
            None => None,
        };
        Ok(Self { console, api, limits: Limits::new(&config.http) })
    }

    /// Where the console listens.
    pub(super) fn console(&self) -> SocketAddr {
        self.console.address
    }

    /// Where the API listens, if it is on.
    pub(super) fn api(&self) -> SocketAddr {
        self.api.as_ref().map_or(self.console.address, |api| api.address)
    }

    /// Serves the console and, if there is one, the API.
    pub(super) fn serve(self, services: &mut Services, console: Router, api: Option<Router>) {
        let console = match (api, self.api) {
            (Some(api), Some(its_own)) => {
                serve(services, "the API", its_own.listener, api, self.limits);
                console
            }
            (Some(api), None) => console.merge(api),
            (None, _) => console,
        };
        serve(services, "the console", self.console.listener, console, self.limits);
    }
}

impl BoundListener {
    async fn new(setting: &'static str, address: SocketAddr) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen { setting, address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }
}

fn serve(services: &mut Services, name: &'static str, listener: TcpListener, router: Router, limits: Limits) {
    services.spawn(name, Stops::Last, |stop| server::serve(listener, router, limits, stop));
}
