//! Connectors: the code that talks to a kind of target, one file a kind behind one small trait.

mod address;
mod caldav;
mod exchange;
mod google_calendar;
mod http;
mod s3;
mod secret_file;

use std::collections::HashMap;

use async_trait::async_trait;
use sexton_core::{
    config::{Config, Connector as Settings},
    outcome::Outcome,
    template::Values,
};

/// Calls one target.
#[async_trait]
pub(crate) trait Connector: Send + Sync {
    /// Asks the target to delete the twin of the row with these values, in at most the target's timeout. Every way in
    /// which it can end is an [`Outcome`]; it never panics on what a server answers.
    async fn delete(&self, row: &Values) -> Outcome;
}

/// A connector cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The HTTP client, for want of the system's certificates.
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The settings of a target do not go together.
    #[error("cannot set up target {target}: {why}")]
    Target {
        /// The target's name.
        target: String,
        /// What is wrong.
        why: String,
    },
}

/// The connectors of all targets, by resource and target.
pub(crate) struct Connectors(HashMap<String, HashMap<String, Box<dyn Connector>>>);

impl Connectors {
    /// Sets up a connector for each configured target.
    ///
    /// # Errors
    /// [`SetupError`].
    pub(crate) fn new(config: &Config) -> Result<Self, SetupError> {
        let clients = http::Clients::new()?;
        let mut all = HashMap::new();
        for (name, resource) in &config.resources {
            let of_resource: &mut HashMap<String, Box<dyn Connector>> = all.entry(name.to_string()).or_default();
            for target in &resource.targets {
                let connector: Box<dyn Connector> = match &target.connector {
                    Settings::Http(settings) => Box::new(http::Http::new(&clients, target, settings)),
                    Settings::CalDav(settings) => Box::new(caldav::CalDav::new(&clients, target, settings)),
                    Settings::S3(settings) => Box::new(s3::S3::new(&clients, target, settings)?),
                    Settings::GoogleCalendar(settings) => {
                        Box::new(google_calendar::GoogleCalendar::new(&clients, target, settings)?)
                    }
                };
                of_resource.insert(target.name.to_string(), connector);
            }
        }
        Ok(Self(all))
    }

    /// The connector of a target of a resource; none if it is not configured.
    pub(crate) fn of(&self, resource: &str, target: &str) -> Option<&dyn Connector> {
        self.0.get(resource)?.get(target).map(|connector| &**connector)
    }
}
