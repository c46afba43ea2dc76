//! `unreferenced`: rows that nothing references any more are deprecated, hidden and deleted.

mod checkpoint;
mod coverage;
mod figures;
mod table_run;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json as object};
use sexton_core::{
    catalog::{Table, UnreferencedTable},
    config::{Config, Resource, SweepBudget},
    db,
    guard::unguarded,
    ids::ResourceName,
    ledger::SweepRun,
};

use self::{checkpoint::UnreferencedCheckpoint, table_run::UnreferencedTableRun};
use super::{
    Effect, Sweep, SweepContext,
    budget::RemainingBudget,
    run::{finished_run, paused_run, to_json},
};

/// The longest time between two passes.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10 * 60);

pub(super) struct UnreferencedSweep;

#[async_trait]
impl Sweep for UnreferencedSweep {
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
        context: SweepContext<'_>,
        cursor: Value,
        budget: SweepBudget,
        effect: Effect,
    ) -> Result<SweepRun, db::Error> {
        // A cursor that another release left in another form starts the pass anew.
        let mut checkpoint: UnreferencedCheckpoint = serde_json::from_value(cursor).unwrap_or_default();
        let mut budget = RemainingBudget::new(budget);
        let at = checkpoint.resource.clone();
        let named = context.config.resources.iter().filter(|(_, resource)| resource.unreferenced.is_some());
        for (name, resource) in named.skip_while(|(name, _)| at.as_ref().is_some_and(|at| *name < at)) {
            let Some(unreferenced) = load(context, name, resource, &mut checkpoint).await? else { continue };
            let table = context.store.catalog.table(name).map(AsRef::as_ref);
            let Some(is_guarded) = check_guards(context, &unreferenced, table, &mut checkpoint).await? else {
                continue;
            };
            let run = UnreferencedTableRun { context, unreferenced: &unreferenced, table, is_guarded, effect };
            run.enter(&mut checkpoint).await?;
            loop {
                if budget.is_used_up() {
                    let UnreferencedCheckpoint { figures, progress, error, .. } = &checkpoint;
                    return paused_run(&checkpoint, figures, progress, error.clone());
                }
                match run.sweep_next_page(&mut checkpoint, &mut budget).await {
                    Ok(true) => {}
                    Ok(false) => {
                        run.leave(&mut checkpoint).await?;
                        break;
                    }
                    Err(error) => {
                        checkpoint.record_refusal(name, table, error)?;
                        break;
                    }
                }
            }
        }
        let run = finished_run(to_json(&checkpoint.figures)?, checkpoint.progress);
        Ok(SweepRun { error: checkpoint.error, cursor: object!({ "covered": checkpoint.covered }), ..run })
    }
}

/// The table with its foreign keys as they are now: one may have been added since this process started. None if the
/// table cannot be swept; the checkpoint says why.
async fn load(
    context: SweepContext<'_>,
    name: &ResourceName,
    resource: &Resource,
    checkpoint: &mut UnreferencedCheckpoint,
) -> Result<Option<UnreferencedTable>, db::Error> {
    match UnreferencedTable::load(&context.store.db, name, resource).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(unreferenced))) if unreferenced.problems.is_empty() => Ok(Some(unreferenced)),
        Ok(Some(Ok(UnreferencedTable { problems, .. }) | Err(problems))) => {
            let why = problems.first().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(resource = %name, "unreferenced rows are not looked for: {why}");
            checkpoint.error = Some(why);
            Ok(None)
        }
        Err(error) => checkpoint.record_refusal(name, None, error).map(|()| None),
    }
}

/// Whether the guards are installed without which no row may be deleted. None if the database refuses to tell.
async fn check_guards(
    context: SweepContext<'_>,
    unreferenced: &UnreferencedTable,
    table: Option<&Table>,
    checkpoint: &mut UnreferencedCheckpoint,
) -> Result<Option<bool>, db::Error> {
    let name = &unreferenced.name;
    match unguarded(&context.store.db.conn, &context.store.ledger, unreferenced, table).await {
        Ok(None) => Ok(Some(true)),
        Ok(Some(why)) => {
            tracing::warn!(resource = %name, "unreferenced rows are not deleted: {why}");
            checkpoint.error = Some(why.to_string());
            Ok(Some(false))
        }
        Err(error) => checkpoint.record_refusal(name, table, error).map(|()| None),
    }
}
