//! A run's way through one table.

use std::time::Duration;

use sexton_core::{
    catalog::{Table, Unreferenced},
    config::UnreferencedMode as Mode,
    db::{self, Dialect},
    key::Key,
    soft_remove::Request,
    sweep::unreferenced::{Observation, Step, TablePass},
};

use super::{
    super::{Allowance, Ground, shape},
    covered::Covered,
    place::Place,
};

/// Rows that one transaction locks: whoever wants to reference one of them waits for so many.
const LOCKED: usize = 100;

/// What a run goes through a table with.
pub(super) struct Through<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) unreferenced: &'a Unreferenced,
    pub(super) table: Option<&'a Table>,
    pub(super) is_guarded: bool,
    pub(super) dry: bool,
}

impl Through<'_> {
    fn acts(&self) -> bool {
        !self.dry && self.unreferenced.settings.mode == Mode::On
    }

    /// Goes on in this table, or begins with it.
    pub(super) async fn enter(&self, place: &mut Place) -> Result<(), db::Error> {
        let name = &self.unreferenced.name;
        let (shape, acts) = (shape(&self.unreferenced.rows), self.unreferenced.settings.mode == Mode::On);
        let is_here = place.resource.as_ref() == Some(name) && place.shape == shape && place.acts == acts;
        if is_here && place.covered.contains_key(name) {
            return Ok(());
        }
        let now = self.ago(Duration::ZERO).await?;
        // A pass that is cut off here, because the mode or the table is another, covers nothing; nor does one that only
        // looked, since nobody took the mark from a row that was referenced.
        let is_cut_off = place.resource.as_ref() == Some(name);
        let last = place.covered.remove(name).filter(|_| acts && !is_cut_off);
        place.covered.insert(name.clone(), Covered::begin(now, last));
        (place.resource, place.shape, place.acts, place.after) = (Some(name.clone()), shape, acts, None);
        self.cover(place).await.map(drop)
    }

    /// The end of the table. A row at its end was last looked at when the pass before was there.
    pub(super) async fn leave(&self, place: &mut Place) -> Result<(), db::Error> {
        self.cover_or_say(place).await?;
        place.after = None;
        if !place.acts {
            place.covered.remove(&self.unreferenced.name);
        }
        Ok(())
    }

    /// [`Self::cover`] in the middle of a pass, which was too slow then.
    async fn cover_or_say(&self, place: &mut Place) -> Result<bool, db::Error> {
        let is_covered = self.cover(place).await?;
        if !is_covered && self.acts() {
            let gap = humantime::format_duration(self.unreferenced.settings.longest_gap());
            let message = format!(
                "resources.{}: rows are not looked at every {gap}, a quarter of delete_after, so their ages begin anew and none \
                 is deleted; give sync.budget more rows, or lengthen delete_after",
                self.unreferenced.name
            );
            tracing::warn!(resource = %self.unreferenced.name, "{message}");
            place.error = Some(message);
        }
        Ok(is_covered)
    }

    /// Whether the ages that were found count.
    async fn cover(&self, place: &mut Place) -> Result<bool, db::Error> {
        let oldest = self.ago(self.unreferenced.settings.longest_gap()).await?;
        Ok(place.covered.get_mut(&self.unreferenced.name).is_none_or(|covered| covered.holds(&oldest)))
    }

    async fn ago(&self, age: Duration) -> Result<String, db::Error> {
        self.ground.store.ledger.ago(&self.ground.store.db, age).await
    }

    /// The next page; whether there is another.
    pub(super) async fn page(&self, place: &mut Place, allowance: &mut Allowance) -> Result<bool, db::Error> {
        let batch = allowance.batch(self.ground.config.sync.batch);
        let covered = place.covered.get(&self.unreferenced.name).cloned().unwrap_or_default();
        let pass = TablePass {
            store: self.ground.store,
            unreferenced: self.unreferenced,
            table: self.table,
            covered_from: &covered.from,
            looked_at: covered.looked_at(),
        };
        let page = pass.look(place.after.as_ref(), batch).await?;
        allowance.looked_at(page.rows_read);
        place.figures.looked += page.rows_read as u64;
        place.figures.unreferenced += page.unreferenced as u64;
        place.figures.hidden += page.hidden as u64;
        place.progress.found += page.observations.len() as u64;
        if self.unreferenced.settings.mode == Mode::On {
            place.progress.wanted += page.observations.len() as u64;
        }
        let step_of = |one: &Observation| match one.step {
            Step::Delete if covered.doubts(one.key.to_string().as_str()) => Step::Restart,
            step => step,
        };
        for step in [Step::Clear, Step::Deprecate, Step::Restart, Step::Delete] {
            let seen: Vec<&Observation> = page.observations.iter().filter(|one| step_of(one) == step).collect();
            if step == Step::Delete {
                place.figures.old += seen.len() as u64;
            }
            if !self.acts() {
                place.left(&seen);
                continue;
            }
            if step == Step::Delete && !seen.is_empty() && !(self.is_guarded && self.cover_or_say(place).await?) {
                place.missed(&seen);
                continue;
            }
            for some in seen.chunks(LOCKED) {
                self.act(place, &pass, step, some, allowance).await?;
            }
        }
        place.after = page.next;
        Ok(place.after.is_some())
    }

    /// All at once, or each by itself if the database refuses some of them.
    async fn act(
        &self,
        place: &mut Place,
        pass: &TablePass<'_>,
        step: Step,
        seen: &[&Observation],
        allowance: &Allowance,
    ) -> Result<(), db::Error> {
        let keys: Vec<Key> = seen.iter().map(|one| one.key.clone()).collect();
        let recorded =
            self.table.filter(|table| step == Step::Delete && !Unreferenced::is_deleted_at_once(Some(table)));
        let result = match recorded {
            Some(table) => self.request(pass, table, &keys).await,
            None => pass.act(step, &keys).await,
        };
        let error = match result {
            Ok(done) => {
                place.done(step, done.len(), recorded.is_some());
                let (done, missed): (Vec<&Observation>, Vec<&Observation>) =
                    seen.iter().partition(|one| done.contains(&one.key));
                let covered = place.covered.entry(self.unreferenced.name.clone()).or_default();
                done.iter().for_each(|one| covered.cleared(&one.key.to_string()));
                self.missed(place, step, &missed);
                return Ok(());
            }
            Err(error) => error,
        };
        let Some(refusal) = error.refusal() else { return Err(error) };
        // A lock on the whole table each of them would wait for anew; only what goes along with a row may be locked by itself.
        let of_a_row = recorded.is_some() && self.ground.store.db.dialect == Dialect::Postgres;
        let one_by_one = !refusal.is_contention() || of_a_row;
        match seen {
            [_] if !refusal.is_contention() => {
                self.missed(place, step, seen);
                place.figures.missed -= 1;
                place.figures.refused += 1;
                tracing::warn!(%error, resource = %self.unreferenced.name, "an unreferenced row cannot be changed");
            }
            [_, _, ..] if one_by_one => {
                for one in seen {
                    match allowance.is_used_up() {
                        true => self.missed(place, step, &[*one]),
                        false => Box::pin(self.act(place, pass, step, &[*one], allowance)).await?,
                    }
                }
            }
            _ => self.missed(place, step, seen),
        }
        Ok(())
    }

    /// Rows with which it was not done.
    fn missed(&self, place: &mut Place, step: Step, seen: &[&Observation]) {
        place.missed(seen);
        if step == Step::Clear {
            let covered = place.covered.entry(self.unreferenced.name.clone()).or_default();
            seen.iter().for_each(|one| covered.not_cleared(one.key.to_string()));
        }
    }

    async fn request(&self, pass: &TablePass<'_>, table: &Table, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        let mut request = Request::by("sexton sweep unreferenced");
        request.reason = Some("unreferenced".to_owned());
        request.notify = true;
        if table.resource.targets.is_empty() {
            // A deletion that is due at once would be done here, and what keeps it from it be an error of the sweep.
            request.after = Duration::from_millis(1);
        }
        pass.request(table, &request, keys).await
    }
}
