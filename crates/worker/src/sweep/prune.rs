//! `prune`: finished deletions go when they are old enough.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::DbErr;
use serde_json::Value;
use sexton_core::ledger::{Budget, PrunePlace};

use super::{Ground, Run, Sweep};

pub(super) struct Prune;

#[async_trait]
impl Sweep for Prune {
    fn name(&self) -> &'static str {
        "prune"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(60 * 60)
    }

    async fn run(&self, ground: Ground<'_>, cursor: Value, budget: Budget, dry: bool) -> Result<Run, DbErr> {
        let json = |error: serde_json::Error| DbErr::Json(error.to_string());
        // A cursor that another release left in another form is no reason never to prune again.
        let place: PrunePlace = serde_json::from_value(cursor).unwrap_or_default();
        let Ground { db, ledger, catalog, config } = ground;
        let place = ledger.prune(db, catalog, &config.sync, place, budget, dry).await?;
        let figures = serde_json::to_value(&place.done).map_err(json)?;
        if place.is_over() {
            return Ok(Run { cursor: Value::Object(serde_json::Map::new()), figures, over: true });
        }
        Ok(Run { cursor: serde_json::to_value(&place).map_err(json)?, figures, over: false })
    }
}
