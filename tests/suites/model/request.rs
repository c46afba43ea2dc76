//! Phase 1 in the model, restoring, and what operators do.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    schema::{At, Goes, Then},
    state::{ChildMarks, Deletion, End, Id, Mark, MarkedAs, Model, Row, State, Value},
};

/// A request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) batch: usize,
    pub(super) after: bool,
    /// Whether dead deletions of children stay dead.
    pub(super) spare_dead: bool,
}

/// What is restored together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestoreScope {
    One,
    Batch,
}

/// A deletion as it is recorded.
struct NewDeletion {
    at: At,
    mark: Mark,
    row: Row,
    confirmed: BTreeSet<usize>,
    due: bool,
    batch: usize,
    parents: BTreeSet<Id>,
}

impl Model {
    /// Requests deletions. False: the database refuses, and nothing is changed.
    pub(super) fn request(&mut self, table: usize, slots: &[usize], after: bool) -> bool {
        let saved = self.clone();
        let batch = self.batches;
        self.batches += 1;
        let request = Request { batch, after, spare_dead: false };
        let there: Vec<At> = slots.iter().map(|slot| (table, *slot)).filter(|at| self.rows.contains_key(at)).collect();
        let mut recorded: Vec<(Id, bool)> = there.iter().map(|at| self.record(*at, BTreeSet::new(), request)).collect();
        let direct = self.schema.tables[table].targets.is_empty() && !self.schema.tables[table].grace && !after;
        if direct {
            let mut going = BTreeSet::new();
            let mut cleared = BTreeSet::new();
            let mut gone = Vec::new();
            for (id, created) in &recorded {
                let one = &self.open[id];
                if !created || one.state != State::Pending || self.then(one.at, one.mark.rule) != Then::Delete {
                    continue;
                }
                let family = self.family(one.at);
                if !family.unfinished.is_empty() {
                    continue;
                }
                going.extend(family.rows.iter().copied().chain([one.at]));
                cleared.extend(family.cleared);
                gone.push(*id);
            }
            if self.are_referenced(&going, &cleared) {
                *self = saved;
                return false;
            }
            self.remove_rows(&going, &cleared);
            for id in gone {
                self.end(id, End::Deleted, ChildMarks::Forget);
            }
        }
        recorded.retain(|(id, _)| self.open.contains_key(id));
        let open = |id: &Id| matches!(self.open[id].state, State::Pending | State::Waiting);
        let roots: Vec<Id> = recorded.into_iter().map(|(id, _)| id).filter(|id| open(id)).collect();
        self.remove_children(&roots, request);
        true
    }

    pub(super) fn remove_rows(&mut self, going: &BTreeSet<At>, cleared: &BTreeSet<(At, usize)>) {
        self.rows.retain(|at, _| !going.contains(at));
        for (at, rule) in cleared {
            if let Some(row) = self.rows.get_mut(at) {
                row.links.remove(rule);
            }
        }
    }

    /// Marks a row and records its deletion. Returns it, and whether it is new.
    fn record(&mut self, at: At, parents: BTreeSet<Id>, request: Request) -> (Id, bool) {
        let mut mark = self.mark(at);
        let row = self.rows[&at].clone();
        let held = self.value_before(at, &mark.before);
        let due = !(request.after || self.schema.tables[at.0].grace);
        let known = self.of_row(at);
        if let Some(id) = known {
            let old = self.open[&id].clone();
            let same_column = self.is_status(at, old.mark.rule) == self.is_status(at, mark.rule);
            mark.before = if same_column && old.mark.value == mark.before {
                old.mark.before.clone()
            } else {
                held.unwrap_or(mark.before)
            };
            let confirmed = self.still_confirmed(at, &old.confirmed, &old.row, &row);
            match old.state {
                State::Running => (id, false),
                State::Dead(_) => {
                    let new = self.insert(NewDeletion { at, mark, row, confirmed, due, batch: request.batch, parents });
                    self.open.get_mut(&new).unwrap().called = old.called;
                    let marks: Vec<_> =
                        self.marks.iter().filter(|((of, _), _)| *of == id).map(|(k, v)| (*k, v.clone())).collect();
                    for ((_, child), mark) in marks {
                        self.marks.insert((new, child), mark);
                    }
                    self.end(id, End::Superseded, ChildMarks::Forget);
                    (new, true)
                }
                State::Pending | State::Waiting => {
                    let one = self.open.get_mut(&id).unwrap();
                    if one.remove && confirmed != one.confirmed {
                        (one.remove, one.due) = (false, due);
                    }
                    (one.mark, one.row, one.confirmed) = (mark, row, confirmed);
                    (id, false)
                }
            }
        } else {
            mark.before = held.unwrap_or(mark.before);
            let (confirmed, batch) = (BTreeSet::new(), request.batch);
            (self.insert(NewDeletion { at, mark, row, confirmed, due, batch, parents }), true)
        }
    }

    /// What a row had before it was marked as a child.
    fn value_before(&self, at: At, before: &Value) -> Option<Value> {
        let marks = self.marks.iter().filter(|((_, child), mark)| *child == at && mark.value == *before);
        marks.filter(|_| *before != Value::Null).map(|(_, mark)| mark.before.clone()).next()
    }

    fn insert(&mut self, new: NewDeletion) -> Id {
        let NewDeletion { at, mark, row, confirmed, due, batch, parents } = new;
        let id = self.next;
        self.next += 1;
        let (state, remove, called, parent) = (State::Pending, false, false, None);
        let (fence, attempts, rescues) = (0, 0, 0);
        let new = Deletion {
            at,
            state,
            remove,
            due,
            fence,
            attempts,
            rescues,
            called,
            confirmed,
            mark,
            row,
            batch,
            parents,
            parent,
        };
        self.open.insert(id, new);
        id
    }

    /// Marks and records what goes with the rows of these deletions.
    pub(super) fn remove_children(&mut self, roots: &[Id], request: Request) {
        let mut frontier: Vec<(At, Id)> = roots.iter().map(|id| (self.open[id].at, *id)).collect();
        let delay =
            |table: usize, model: &Self| !request.spare_dead && (request.after || model.schema.tables[table].grace);
        let mut delays: BTreeMap<Id, bool> = frontier.iter().map(|(at, id)| (*id, delay(at.0, self))).collect();
        let mut seen: BTreeSet<Id> = roots.iter().copied().collect();
        let mut marked = BTreeSet::new();
        while !frontier.is_empty() {
            let mut next = Vec::new();
            for table in 0..self.schema.tables.len() {
                let parents: Vec<(At, Id)> = frontier.iter().filter(|(at, _)| at.0 == table).copied().collect();
                let rules: Vec<(usize, Goes)> = self.schema.of_parent(table).map(|(r, rule)| (r, rule.goes)).collect();
                for (r, goes) in rules {
                    let found: Vec<(At, Id)> = parents
                        .iter()
                        .flat_map(|(at, id)| self.children(r, *at).into_iter().map(|c| (c, *id)))
                        .collect();
                    match goes {
                        Goes::Cleared => {}
                        Goes::Along => {
                            self.mark_along(&found);
                            next.extend(found.into_iter().filter(|one| marked.insert(*one)));
                        }
                        Goes::First => {
                            let new = self.request_first(&found, &mut delays, &mut seen, request);
                            next.extend(new);
                        }
                    }
                }
            }
            frontier = next;
        }
    }

    fn mark_along(&mut self, found: &[(At, Id)]) {
        let mut marks: BTreeMap<At, Mark> = BTreeMap::new();
        for (at, _) in found {
            if !marks.contains_key(at) {
                let mut mark = self.mark(*at);
                let own = self.of_row(*at).map(|own| &self.open[&own].mark).filter(|own| own.value == mark.before);
                let own = own.filter(|_| mark.before != Value::Null).map(|own| own.before.clone());
                mark.before = self.value_before(*at, &mark.before).or(own).unwrap_or(mark.before);
                marks.insert(*at, mark);
            }
        }
        for (at, id) in found {
            let mark = &marks[at];
            let entry = self.marks.entry((*id, *at)).or_insert_with(|| mark.clone());
            if entry.value != mark.value {
                *entry = mark.clone();
            }
        }
    }

    /// Records deletions of rows that go first. Returns those whose children are to be looked for.
    fn request_first(
        &mut self,
        found: &[(At, Id)],
        delays: &mut BTreeMap<Id, bool>,
        seen: &mut BTreeSet<Id>,
        request: Request,
    ) -> Vec<(At, Id)> {
        let found: Vec<(At, Id)> = found.iter().filter(|(at, _)| self.is_unfinished(*at)).copied().collect();
        let mut wanted: BTreeMap<At, BTreeSet<Id>> = BTreeMap::new();
        for (at, parent) in &found {
            let own =
                self.of_row(*at).filter(|own| request.spare_dead && matches!(self.open[own].state, State::Dead(_)));
            if let Some(dead) = own {
                self.candidates.insert((*parent, dead));
                self.held_back.insert(*parent);
            } else {
                wanted.entry(*at).or_default().insert(*parent);
            }
        }
        let after = wanted.values().flatten().any(|parent| delays.get(parent) == Some(&true));
        let request = Request { after, ..request };
        let mut next = Vec::new();
        for (at, parents) in wanted {
            let (id, _) = self.record(at, parents.clone(), request);
            for parent in parents {
                self.candidates.insert((parent, id));
                self.held_back.insert(parent);
            }
            delays.insert(id, after || self.schema.tables[at.0].grace);
            if seen.insert(id) && self.open[&id].state != State::Running {
                next.push((at, id));
            }
        }
        next
    }

    /// Whether a row has to go before its parent: one that is kept, or given up by on-call, has not.
    pub(super) fn is_unfinished(&self, at: At) -> bool {
        let Some(row) = self.rows.get(&at) else { return false };
        let marker = self.marker(at, self.marker_rule(at, row), row);
        let ended = |end: &End| matches!(end, End::Deleted | End::AlreadyGone | End::Kept | End::Discarded);
        *marker == Value::Null || !self.done.values().any(|one| one.at == at && one.value == *marker && ended(&one.end))
    }

    /// Those that wait for a deletion, directly or not.
    pub(super) fn waiting_for(&self, id: Id) -> BTreeSet<Id> {
        let mut up = BTreeSet::new();
        let mut open = vec![id];
        while let Some(child) = open.pop() {
            let of = self.waits.iter().filter(|(_, c)| *c == child).map(|(of, _)| *of);
            open.extend(of.filter(|of| self.open.contains_key(of)).filter(|of| up.insert(*of)).collect::<Vec<_>>());
        }
        up
    }

    /// Takes a deletion back, or all of its batch. False: it is too late.
    pub(super) fn restore(&mut self, id: Id, scope: RestoreScope) -> bool {
        let wanted: BTreeSet<Id> = if scope == RestoreScope::Batch {
            let of = self.open[&id].batch;
            let completed = |end: &End| matches!(end, End::Deleted | End::AlreadyGone | End::Kept);
            if self.done.values().any(|one| one.batch == of && completed(&one.end)) {
                return false;
            }
            self.open.iter().filter(|(_, one)| one.batch == of).map(|(id, _)| *id).collect()
        } else {
            BTreeSet::from([id])
        };
        let alone = wanted.len() == 1;
        let mut all = wanted.clone();
        let mut open: Vec<Id> = wanted.into_iter().collect();
        while let Some(parent) = open.pop() {
            let same = |child: &Id| self.open.get(child).is_some_and(|one| one.batch == self.open[&parent].batch);
            let children = self.waits.iter().filter(|(of, _)| *of == parent).map(|(_, child)| *child).filter(same);
            open.extend(children.filter(|child| all.insert(*child)).collect::<Vec<_>>());
        }
        // Also of a batch of one. In a larger one, it does not matter which others wait.
        if alone && self.waiting_for(id).iter().any(|of| !all.contains(of)) {
            return false;
        }
        let possible = |id: &Id| {
            let one = &self.open[id];
            let completed = |end: &End| matches!(end, End::Deleted | End::AlreadyGone | End::Kept);
            let child =
                |done: &super::state::Done| done.parent == Some(*id) && done.batch == one.batch && completed(&done.end);
            matches!(one.state, State::Pending | State::Waiting) && !one.called && !self.done.values().any(child)
        };
        if !all.iter().all(possible) {
            return false;
        }
        // In whatever order: a row that two of them hold is given back by the last.
        for id in all {
            let one = self.open[&id].clone();
            self.unmark(one.at, &one.mark, id, MarkedAs::Itself);
            self.end(id, End::Restored, ChildMarks::Keep);
            let marks: Vec<_> =
                self.marks.iter().filter(|((of, _), _)| *of == id).map(|((_, at), m)| (*at, m.clone())).collect();
            for (at, mark) in marks {
                self.unmark(at, &mark, id, MarkedAs::Child);
            }
            self.marks.retain(|(of, _), _| *of != id);
        }
        true
    }

    /// Another try, with those that died of it or of which it died.
    pub(super) fn retry(&mut self, id: Id) -> bool {
        let of_child = |id: &Id| self.open.get(id).is_some_and(|one| one.state == State::Dead("child_dead"));
        let mut all = BTreeSet::from([id]);
        loop {
            let below = |(of, child): &&(Id, Id)| all.contains(of) && of_child(of) && !all.contains(child);
            let Some((_, child)) = self.waits.iter().find(below) else { break };
            all.insert(*child);
        }
        loop {
            let above = |(of, child): &&(Id, Id)| all.contains(child) && of_child(of) && !all.contains(of);
            let Some((of, _)) = self.waits.iter().find(above) else { break };
            all.insert(*of);
        }
        let mut any = false;
        for id in all {
            if let Some(one) = self.open.get_mut(&id).filter(|one| matches!(one.state, State::Dead(_))) {
                (one.state, one.due, one.attempts, one.rescues) = (State::Pending, true, 0, 0);
                any = true;
            }
        }
        any
    }

    pub(super) fn discard(&mut self, id: Id) -> bool {
        let dead = matches!(self.open[&id].state, State::Dead(_));
        if dead {
            self.end(id, End::Discarded, ChildMarks::Keep);
        }
        dead
    }
}
