//! Watching guards: one that is lost, disabled or changed records nothing, and nothing else would tell.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use sexton_core::guard::{broken, look_at_guards};

use super::Service;
use crate::{engine::Context, metrics};

const INTERVAL: Duration = Duration::from_secs(60);

/// Looks at the guards. Every minute: a small statement on the catalogue for each. It writes down those that are
/// installed.
pub(crate) struct GuardsWatch {
    context: Arc<Context>,
    /// What was warned of, so that it is said once.
    warned: BTreeMap<String, String>,
}

impl GuardsWatch {
    pub(crate) const fn new(context: Arc<Context>) -> Self {
        Self { context, warned: BTreeMap::new() }
    }
}

#[async_trait]
impl Service for GuardsWatch {
    async fn run_once(&mut self) -> Duration {
        let guards = match look_at_guards(&self.context.store).await {
            Ok(guards) => guards,
            Err(error) => {
                tracing::debug!(%error, "cannot look at the guards");
                return INTERVAL;
            }
        };
        for guard in &guards {
            let name = &guard.trigger.name;
            metrics::set_guard_broken(guard.resource.as_str(), name, guard.standing.state.is_broken());
            let why = broken(std::slice::from_ref(guard)).first().map(ToString::to_string);
            match why {
                Some(why) if self.warned.get(name) != Some(&why) => {
                    tracing::warn!(resource = %guard.resource, guard = name, "{why}");
                    self.warned.insert(name.clone(), why);
                }
                Some(_) => {}
                None => drop(self.warned.remove(name)),
            }
        }
        INTERVAL
    }
}
