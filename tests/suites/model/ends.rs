//! The outcomes that are possible once workers have done everything, in any order.

use std::collections::BTreeSet;

use super::{
    actions::Answer,
    compare::ended,
    schema::At,
    state::{Id, Model, State},
    system::System,
};

/// Orders that the model tries before it says that there is none.
const ORDERS: u64 = 400;

/// The rows that are left, the deletions that are dead, and how the others ended.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ending {
    rows: BTreeSet<At>,
    dead: BTreeSet<(Id, String)>,
    done: BTreeSet<(Id, (String, String))>,
}

impl Model {
    /// Works everything off in an order that depends on `seed`.
    fn work_off(mut self, mut seed: u64) -> Ending {
        let running: Vec<Id> =
            self.open.iter().filter(|(_, one)| one.state == State::Running).map(|(id, _)| *id).collect();
        for id in running {
            self.rescue(id);
        }
        let known: BTreeSet<Id> = self.open.keys().copied().collect();
        self.follow();
        loop {
            let pending: Vec<Id> =
                self.open.iter().filter(|(_, one)| one.state == State::Pending).map(|(id, _)| *id).collect();
            // A linear congruential generator (Knuth, MMIX) is random enough for an order.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let Some(n) = usize::try_from(seed >> 33).unwrap().checked_rem(pending.len()) else { break };
            self.work(pending[n], [Answer::Done; 2]);
            self.link();
            self.follow();
        }
        let dead = |(id, one): (&Id, &super::state::Deletion)| match one.state {
            State::Dead(kind) => (*id, kind.to_owned()),
            state => panic!("{id} is left {state:?}"),
        };
        // Deletions that are recorded only now have no number that both sides know.
        let of_both = |id: &Id| known.contains(id) || *id < self.next && self.done.contains_key(id);
        Ending {
            rows: self.rows.keys().copied().collect(),
            dead: self.open.iter().map(dead).filter(|(id, _)| known.contains(id)).collect(),
            done: self
                .done
                .iter()
                .filter(|(id, _)| of_both(id) && known.contains(id))
                .map(|(id, one)| (*id, ended(&one.end)))
                .collect(),
        }
    }

    /// Lets deletions wait, except where that would close a circle.
    fn link(&mut self) {
        for (of, child) in std::mem::take(&mut self.candidates) {
            if of != child && !self.waiting_for(of).contains(&child) {
                self.waits.insert((of, child));
            }
        }
        for id in std::mem::take(&mut self.held_back) {
            let waits = self.waits.iter().any(|(of, _)| *of == id);
            if let Some(one) = self.open.get_mut(&id).filter(|one| waits && one.state == State::Pending) {
                one.state = State::Waiting;
            }
        }
    }
}

impl System<'_> {
    pub(super) async fn compare_end(&self, model: &Model) -> Result<(), String> {
        let found = self.ending(model).await;
        let mut endings = BTreeSet::new();
        for seed in 0..ORDERS {
            let ending = model.clone().work_off(seed);
            if ending == found {
                return self.nothing_leaks().await;
            }
            endings.insert(ending);
        }
        Err(format!("{found:#?} is there, and expected is one of {endings:#?}"))
    }

    async fn ending(&self, model: &Model) -> Ending {
        let mut rows = BTreeSet::new();
        for table in 0..self.schema.tables.len() {
            for row in self.fixture.rows(&format!("select tenant, id from t{table}")).await {
                let (tenant, id) = (row[0].clone().unwrap(), row[1].clone().unwrap());
                let composite = self.schema.tables[table].key == super::schema::Key::Composite;
                let key = if composite { format!("[\"{tenant}\",\"{id}\"]") } else { id };
                rows.insert(self.schema.at(&format!("t{table}"), &key));
            }
        }
        let sql = "select id, 'dead', dead_kind from sexton_deletion
            union all select id, state, coalesce(cancelled_by, row_outcome) from sexton_deletion_done";
        let (mut dead, mut done) = (BTreeSet::new(), BTreeSet::new());
        for row in self.fixture.rows(sql).await {
            let (state, how) = (row[1].clone().unwrap(), row[2].clone().unwrap());
            match self.id_of(row[0].as_ref().unwrap()) {
                Some(id) if state == "dead" => drop(dead.insert((id, how))),
                Some(id) if model.open.contains_key(&id) => drop(done.insert((id, (state, how)))),
                _ => {}
            }
        }
        Ending { rows, dead, done }
    }

    /// Nothing of a deletion that ended is left, except the marks of children that are kept.
    async fn nothing_leaks(&self) -> Result<(), String> {
        let ended = |table: &str, kept: &str| {
            format!(
                "select w.deletion_id from {table} w where not exists (select 1 from sexton_deletion d where d.id = w.deletion_id)
                 and not exists (select 1 from sexton_deletion_done d where d.id = w.deletion_id and {kept})"
            )
        };
        let mut left = self.fixture.rows(&ended("sexton_wait", "d.state = 'none'")).await;
        left.extend(
            self.fixture.rows(&ended("sexton_child", "(d.row_outcome = 'kept' or d.cancelled_by = 'discarded')")).await,
        );
        if left.is_empty() { Ok(()) } else { Err(format!("of deletions that ended is left: {left:?}")) }
    }
}
