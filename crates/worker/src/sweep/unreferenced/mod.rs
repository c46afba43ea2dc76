//! `unreferenced`: rows that nothing references any more are deprecated, hidden and deleted.

mod covered;
mod place;
mod through;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json as object};
use sexton_core::{
    catalog::Unreferenced,
    config::{Config, SweepBudget},
    db,
    guard::unguarded,
    ledger::SweepRun,
};

use self::{place::Place, through::Through};
use super::{Allowance, Ground, Sweep, json, over, paused};

/// Between two passes at most.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10 * 60);

pub(super) struct UnreferencedRows;

#[async_trait]
impl Sweep for UnreferencedRows {
    fn name(&self) -> &'static str {
        "unreferenced"
    }

    /// Short enough for every age to count, and for rows to be hidden in time.
    fn interval(&self, config: &Config) -> Duration {
        let all = config.resources.values().filter_map(|resource| resource.unreferenced.as_ref());
        let wanted =
            all.map(|settings| (settings.longest_gap() / 4).min(settings.hide_after.max(config.sync.interval)));
        wanted.min().unwrap_or(LONGEST_INTERVAL).min(LONGEST_INTERVAL)
    }

    fn memory(&self, cursor: &Value) -> Value {
        object!({ "covered": cursor.get("covered").unwrap_or(&object!({})) })
    }

    async fn run(
        &self,
        ground: Ground<'_>,
        cursor: Value,
        budget: SweepBudget,
        dry: bool,
    ) -> Result<SweepRun, db::Error> {
        // A cursor that another release left in another form begins anew.
        let mut place: Place = serde_json::from_value(cursor).unwrap_or_default();
        let mut allowance = Allowance::new(budget);
        let at = place.resource.clone();
        let named = ground.config.resources.iter().filter(|(_, resource)| resource.unreferenced.is_some());
        for (name, resource) in named.skip_while(|(name, _)| at.as_ref().is_some_and(|at| *name < at)) {
            // As the foreign keys are now: one may have been added since this process started.
            let loaded = match Unreferenced::load(&ground.store.db, name, resource).await {
                Ok(None) => continue,
                Ok(Some(Ok(loaded))) if loaded.problems.is_empty() => loaded,
                Ok(Some(Ok(Unreferenced { problems, .. }) | Err(problems))) => {
                    let why = problems.first().map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(resource = %name, "unreferenced rows are left alone: {why}");
                    place.error = Some(why);
                    continue;
                }
                Err(error) => {
                    place.failed(name, error)?;
                    continue;
                }
            };
            let table = ground.store.catalog.table(name).map(AsRef::as_ref);
            let unguarded = match unguarded(&ground.store.db.conn, &ground.store.ledger, &loaded, table).await {
                Ok(unguarded) => unguarded,
                Err(error) => {
                    place.failed(name, error)?;
                    continue;
                }
            };
            if let Some(why) = &unguarded {
                tracing::warn!(resource = %name, "unreferenced rows are not deleted: {why}");
                place.error = Some(why.to_string());
            }
            let is_guarded = unguarded.is_none();
            let through = Through { ground, unreferenced: &loaded, table, is_guarded, dry };
            through.enter(&mut place).await?;
            loop {
                if allowance.is_used_up() {
                    return paused(&place, &place.figures, &place.progress, place.error.clone());
                }
                match through.page(&mut place, &mut allowance).await {
                    Ok(true) => {}
                    Ok(false) => {
                        through.leave(&mut place).await?;
                        break;
                    }
                    Err(error) => {
                        place.failed(name, error)?;
                        break;
                    }
                }
            }
        }
        let run = over(json(&place.figures)?, place.progress);
        Ok(SweepRun { error: place.error, cursor: object!({ "covered": place.covered }), ..run })
    }
}
