//! The connectors of a process, set up when it starts.

use std::collections::HashMap;

use sexton_core::config::Config;

use super::{Connector, clients::HttpClients, connector_of, memory::AnswerMemory};

/// A connector cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The HTTP client cannot be made, for example without the system's certificates.
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The file named by a target's `ca_file` cannot be used.
    #[error("cannot use the certificates in {path} (ca_file): {why}")]
    Authorities {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The settings of a target contradict each other or the environment.
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
    /// [`SetupError`] of the first target whose connector cannot be set up.
    pub(crate) fn new(config: &Config) -> Result<Self, SetupError> {
        let mut clients = HttpClients::with_memory(AnswerMemory::of_mib(config.worker.answer_memory_mib));
        let mut all = HashMap::new();
        for (name, resource) in &config.resources {
            let of_resource: &mut HashMap<String, Box<dyn Connector>> = all.entry(name.to_string()).or_default();
            for target in &resource.targets {
                of_resource.insert(target.name.to_string(), connector_of(&mut clients, target)?);
            }
        }
        Ok(Self(all))
    }

    /// The connector of a target of a resource; none if it is not configured.
    pub(crate) fn get(&self, resource: &str, target: &str) -> Option<&dyn Connector> {
        self.0.get(resource)?.get(target).map(|connector| &**connector)
    }
}
