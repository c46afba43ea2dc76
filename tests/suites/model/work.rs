//! Phase 2 in the model: what a worker does with a deletion.

use std::collections::BTreeSet;

use super::{
    actions::Answer,
    request::Request,
    schema::{At, Goes, Schema, TARGETS, Target, Then},
    state::{ChildMarks, End, Id, MAX_ATTEMPTS, MAX_RESCUES, Model, Row, State, Value},
};

/// What goes with a row.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) rows: BTreeSet<At>,
    /// Rows that stay, and the rules by which their references are cleared.
    pub(super) cleared: BTreeSet<(At, usize)>,
    /// Rows that go first.
    pub(super) unfinished: BTreeSet<At>,
}

/// A row as the second look finds it.
enum Now {
    Same,
    Changed,
    LiveAgain,
}

impl Model {
    pub(super) fn family(&self, root: At) -> Family {
        let mut family = Family::default();
        let mut open = vec![root];
        let mut seen = BTreeSet::from([root]);
        while let Some(parent) = open.pop() {
            for (r, rule) in self.schema.of_parent(parent.0) {
                for child in self.children(r, parent) {
                    match rule.goes {
                        Goes::Along if seen.insert(child) => {
                            family.rows.insert(child);
                            open.push(child);
                        }
                        Goes::Along => {}
                        Goes::First if self.is_unfinished(child) => drop(family.unfinished.insert(child)),
                        Goes::First => {}
                        Goes::Cleared => drop(family.cleared.insert((child, r))),
                    }
                }
            }
        }
        family
    }

    /// Whether rows have to go first. Of deletions in a circle the one that was requested first goes last.
    fn waits_for_children(&self, id: Id) -> bool {
        let waiting = self.waiting_for(id);
        let first = |at: &At| self.of_row(*at).is_none_or(|own| own != id && !waiting.contains(&own));
        self.family(self.open[&id].at).unfinished.iter().any(first)
    }

    pub(super) fn claim(&mut self, id: Id) {
        let one = self.open.get_mut(&id).unwrap();
        one.state = State::Running;
        one.fence += 1;
        one.attempts += 1;
        one.called |= !one.remove;
    }

    /// Claims a deletion and works on it until it is not due any more.
    pub(super) fn work(&mut self, id: Id, answers: [Answer; 2]) {
        self.follow();
        loop {
            let uncalled = !self.open[&id].called;
            self.claim(id);
            if !self.attempt(id, answers, uncalled) {
                break;
            }
        }
        self.follow();
    }

    /// Returns whether the next attempt follows at once.
    fn attempt(&mut self, id: Id, answers: [Answer; 2], uncalled: bool) -> bool {
        let at = self.open[&id].at;
        match self.look(id) {
            Now::Same => {}
            Now::LiveAgain => {
                self.settle(id, State::Dead("row_live_again"), uncalled, Budget::Spend);
                return false;
            }
            Now::Changed => {
                let before = self.open[&id].confirmed.len();
                self.refresh(id);
                let one = self.open.get_mut(&id).unwrap();
                if one.remove && one.confirmed.len() < before {
                    // An operator has to hear of it.
                    one.remove = false;
                    self.settle(id, State::Pending, uncalled, Budget::GiveBack);
                    return true;
                }
            }
        }
        let mut called = false;
        if !self.open[&id].remove {
            if self.waits_for_children(id) {
                self.children_first(id, uncalled);
                return false;
            }
            let failed = self.ask(id, answers, &mut called);
            let uncalled = uncalled && !called;
            if let Some(worst) = failed.iter().max() {
                match worst {
                    FailedAnswer::BadTemplate => self.settle(id, State::Dead("bad_template"), uncalled, Budget::Spend),
                    FailedAnswer::Rejected => self.settle(id, State::Dead("rejected"), uncalled, Budget::Spend),
                    FailedAnswer::Fails => self.fail(id, "exhausted", uncalled),
                    FailedAnswer::Throttled => {
                        self.settle(id, State::Pending, uncalled, Budget::GiveBack);
                        self.open.get_mut(&id).unwrap().due = false;
                    }
                }
                return false;
            }
        }
        let uncalled = uncalled && !called;
        let then = self.then(at, self.open[&id].mark.rule);
        if then == Then::DeleteAfter && !self.open[&id].remove {
            self.settle(id, State::Pending, uncalled, Budget::Spend);
            let one = self.open.get_mut(&id).unwrap();
            (one.remove, one.due) = (true, false);
            return false;
        }
        if then == Then::Keep {
            let end = if self.rows.contains_key(&at) { End::Kept } else { End::AlreadyGone };
            let kept = end == End::Kept;
            self.end(id, end, if kept { ChildMarks::Keep } else { ChildMarks::Forget });
            return false;
        }
        if self.waits_for_children(id) {
            self.children_first(id, uncalled);
            return false;
        }
        let family = self.family(at);
        let mut going = family.rows;
        let there = self.rows.contains_key(&at);
        if there {
            going.insert(at);
        }
        if self.are_referenced(&going, &family.cleared) {
            self.fail(id, "referenced", uncalled);
            return false;
        }
        self.remove_rows(&going, &family.cleared);
        self.end(id, if there { End::Deleted } else { End::AlreadyGone }, ChildMarks::Forget);
        false
    }

    fn look(&self, id: Id) -> Now {
        let one = &self.open[&id];
        let Some(row) = self.rows.get(&one.at) else { return Now::Same };
        let (was, is) = (&one.mark.value, self.marker(one.at, one.mark.rule, row));
        if was != is && !matches!((was, is), (Value::Time(_) | Value::Null, Value::Time(_))) {
            Now::LiveAgain
        } else if self.is_changed(one.at, &one.row, row) {
            Now::Changed
        } else {
            Now::Same
        }
    }

    fn refresh(&mut self, id: Id) {
        let one = &self.open[&id];
        let row: Row = self.rows[&one.at].clone();
        let confirmed = self.still_confirmed(one.at, &one.confirmed, &one.row, &row);
        let value = self.marker(one.at, one.mark.rule, &row).clone();
        let one = self.open.get_mut(&id).unwrap();
        (one.row, one.confirmed, one.mark.value) = (row, confirmed, value);
    }

    fn children_first(&mut self, id: Id, uncalled: bool) {
        let batch = self.open[&id].batch;
        self.remove_children(&[id], Request { batch, after: false, spare_dead: true });
        self.settle(id, State::Waiting, uncalled, Budget::GiveBack);
        self.open.get_mut(&id).unwrap().due = true;
    }

    fn ask(&mut self, id: Id, answers: [Answer; 2], called: &mut bool) -> Vec<FailedAnswer> {
        let (at, row) = (self.open[&id].at, self.open[&id].row.clone());
        let targets = self.schema.tables[at.0].targets.clone();
        let mut failed = Vec::new();
        for (n, target) in targets.into_iter().enumerate() {
            if self.open[&id].confirmed.contains(&n) {
                continue;
            }
            let answer = match (target, row.gcal) {
                (Target::Skips, None) => Answer::Gone,
                (Target::Needs, None) => {
                    failed.push(FailedAnswer::BadTemplate);
                    continue;
                }
                _ => {
                    *called = true;
                    self.calls.push(path(&self.schema, at, n, row.gcal));
                    answers[n]
                }
            };
            match answer {
                Answer::Done | Answer::Gone => drop(self.open.get_mut(&id).unwrap().confirmed.insert(n)),
                Answer::Fails => failed.push(FailedAnswer::Fails),
                Answer::Rejects => failed.push(FailedAnswer::Rejected),
                Answer::Throttles | Answer::Refuses => failed.push(FailedAnswer::Throttled),
            }
        }
        failed
    }

    fn settle(&mut self, id: Id, state: State, uncalled: bool, budget: Budget) {
        let one = self.open.get_mut(&id).unwrap();
        one.state = state;
        one.called = !uncalled;
        if budget == Budget::GiveBack {
            one.attempts = (one.attempts - 1).max(0);
        } else {
            one.rescues = 0;
        }
    }

    /// An attempt failed that may work next time.
    fn fail(&mut self, id: Id, kind: &'static str, uncalled: bool) {
        let last = self.open[&id].attempts >= MAX_ATTEMPTS;
        self.settle(id, if last { State::Dead(kind) } else { State::Pending }, uncalled, Budget::Spend);
        self.open.get_mut(&id).unwrap().due = false;
    }

    /// A worker writes late that it failed; `fence` is that of its claim. Returns whether it may.
    pub(super) fn write_late(&mut self, id: Id, fence: i64) -> bool {
        let Some(one) = self.open.get_mut(&id).filter(|one| one.state == State::Running && one.fence == fence) else {
            return false;
        };
        (one.state, one.due, one.rescues) = (State::Pending, false, 0);
        true
    }

    pub(super) fn rescue(&mut self, id: Id) {
        let one = self.open.get_mut(&id).unwrap();
        one.rescues += 1;
        one.due = true;
        one.state = if one.rescues > MAX_RESCUES { State::Dead("poison") } else { State::Pending };
    }
}

/// What becomes of the attempt that a claim began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Budget {
    GiveBack,
    Spend,
}

/// What a target did not confirm; the worst is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FailedAnswer {
    Throttled,
    Fails,
    Rejected,
    BadTemplate,
}

/// Where a row's twin is.
fn path(schema: &Schema, at: At, target: usize, gcal: Option<u8>) -> String {
    let (table, name) = (at.0, TARGETS[target]);
    let key = match schema.tables[table].key {
        super::schema::Key::Composite => format!("{}/{}", Schema::tenant(at), schema.id(at)),
        _ => schema.id(at),
    };
    let gcal = gcal.filter(|_| schema.tables[table].targets[target] != Target::Plain);
    format!("/t{table}/{name}/{key}{}", gcal.map(|g| format!("/g{g}")).unwrap_or_default())
}
