//! Connectors: the code that talks to a kind of target, one file a kind behind one small trait.

mod address;
mod auth;
mod caldav;
mod clients;
mod exchange;
mod google_calendar;
mod headers;
mod http;
mod markup;
mod s3;

use std::collections::HashMap;

use async_trait::async_trait;
use sexton_core::{
    config::{Config, Connector as Settings},
    ids::DeletionId,
    outcome::{Failure, Look, Outcome},
    template::Values,
};

/// What a target is asked about.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The deletion, by which a target may recognise a call that is made again.
    pub(crate) id: DeletionId,
    /// The values of the row.
    pub(crate) row: &'a Values,
}

/// Calls one target.
#[async_trait]
pub(crate) trait Connector: Send + Sync {
    /// Asks the target to delete the twin of the row with these values, in at most the target's timeout. Every way in
    /// which it can end is an [`Outcome`]; it never panics on what a server answers.
    async fn delete(&self, call: Call<'_>) -> Outcome;

    /// Looks whether the twin is gone that the target said it deleted, in at most the target's timeout. Asked only of
    /// targets that can be looked at (`Target::can_be_looked_at`).
    async fn look(&self, _call: Call<'_>) -> Look {
        let reason = "verify_not_supported".to_owned();
        Look::Failed(Outcome::Rejected(Failure { status: None, reason }))
    }
}

/// A connector cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The HTTP client, for want of the system's certificates.
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The file of a target's `ca_file`.
    #[error("cannot use the certificates in {path} (ca_file): {why}")]
    Authorities {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The settings of a target do not go together with each other or with the environment.
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
        let mut clients = clients::Clients::default();
        let mut all = HashMap::new();
        for (name, resource) in &config.resources {
            let of_resource: &mut HashMap<String, Box<dyn Connector>> = all.entry(name.to_string()).or_default();
            for target in &resource.targets {
                let connector: Box<dyn Connector> = match &target.connector {
                    Settings::Http(settings) => Box::new(http::Http::new(&mut clients, target, settings)?),
                    Settings::CalDav(settings) => Box::new(caldav::CalDav::new(&mut clients, target, settings)?),
                    Settings::S3(settings) => Box::new(s3::S3::new(&mut clients, target, settings)?),
                    Settings::GoogleCalendar(settings) => {
                        Box::new(google_calendar::GoogleCalendar::new(&mut clients, target, settings)?)
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
