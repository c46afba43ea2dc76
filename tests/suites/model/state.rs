//! What the rows and the ledger should be like: plain maps, and no line of the code under test.
//!
//! It works on one deletion at a time; [`super::system`] sees to it that the real thing does, too.

use std::collections::{BTreeMap, BTreeSet};

use super::schema::{At, Schema, Target, Then};

/// A deletion, by its number in the order in which they were requested.
pub(super) type Id = usize;

/// What a column that may hold a marker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    /// A time that the application wrote; each has a number of its own.
    Time(u32),
    Text(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) gcal: Option<u8>,
    pub(super) kind: bool,
    pub(super) links: BTreeMap<usize, usize>,
    pub(super) deleted_at: Value,
    pub(super) status: Value,
}

/// A rule that says what marks a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkerRule {
    /// The one of `marker_when`.
    Special,
    General,
}

/// As what a row was marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkedAs {
    Itself,
    /// As a child of the row that was to be deleted.
    Child,
}

/// What becomes of the marks of children when a deletion ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildMarks {
    Keep,
    Forget,
}

/// A marker that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// By which rule.
    pub(super) rule: MarkerRule,
    pub(super) value: Value,
    pub(super) before: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Pending,
    Waiting,
    Running,
    Dead(&'static str),
}

#[derive(Debug, Clone)]
pub(super) struct Deletion {
    pub(super) at: At,
    pub(super) state: State,
    /// Whether only the row is left to go, later (`delete_after`).
    pub(super) remove: bool,
    pub(super) due: bool,
    pub(super) fence: i64,
    pub(super) attempts: i64,
    pub(super) rescues: i64,
    pub(super) called: bool,
    pub(super) confirmed: BTreeSet<usize>,
    pub(super) mark: Mark,
    /// The row as it was captured.
    pub(super) row: Row,
    pub(super) batch: usize,
    /// One of these is named as the deletion that waits for it.
    pub(super) parents: BTreeSet<Id>,
    pub(super) parent: Option<Id>,
}

/// How a deletion ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Deleted,
    AlreadyGone,
    Kept,
    Restored,
    Discarded,
    Superseded,
}

#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) at: At,
    pub(super) end: End,
    pub(super) value: Value,
    pub(super) batch: usize,
    pub(super) parent: Option<Id>,
}

#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) schema: Schema,
    pub(super) rows: BTreeMap<At, Row>,
    pub(super) open: BTreeMap<Id, Deletion>,
    pub(super) done: BTreeMap<Id, Done>,
    /// Rows that were marked with the row of a deletion.
    pub(super) marks: BTreeMap<(Id, At), Mark>,
    /// Which deletion waits for which.
    pub(super) waits: BTreeSet<(Id, Id)>,
    /// Pairs of this action that wait, unless that would close a circle.
    pub(super) candidates: BTreeSet<(Id, Id)>,
    /// Deletions of this action that wait if they have anything to wait for.
    pub(super) held_back: BTreeSet<Id>,
    /// Calls that are expected of this action, in order.
    pub(super) calls: Vec<String>,
    pub(super) next: Id,
    pub(super) times: u32,
    pub(super) batches: usize,
}

/// Failures before a deletion is dead, and leases that may end.
pub(super) const MAX_ATTEMPTS: i64 = 3;
pub(super) const MAX_RESCUES: i64 = 2;

impl Model {
    pub(super) fn new(schema: &Schema) -> Self {
        Self {
            schema: schema.clone(),
            rows: BTreeMap::new(),
            open: BTreeMap::new(),
            done: BTreeMap::new(),
            marks: BTreeMap::new(),
            waits: BTreeSet::new(),
            candidates: BTreeSet::new(),
            held_back: BTreeSet::new(),
            calls: Vec::new(),
            next: 0,
            times: 0,
            batches: 0,
        }
    }

    pub(super) fn of_row(&self, at: At) -> Option<Id> {
        self.open.iter().find(|(_, one)| one.at == at).map(|(id, _)| *id)
    }

    pub(super) fn new_time(&mut self) -> Value {
        self.times += 1;
        Value::Time(self.times)
    }

    /// Rows that are children of `parent` by a rule, in the order of their keys; a row is not its own child.
    pub(super) fn children(&self, rule: usize, parent: At) -> Vec<At> {
        let of_rule = &self.schema.rules[rule];
        let named = |at: &At, row: &Row| {
            let link = row.links.get(&rule);
            at.0 == of_rule.child && link.is_some_and(|link| self.schema.is_named(*at, *link, parent))
        };
        self.rows.iter().filter(|(at, row)| **at != parent && named(at, row)).map(|(at, _)| *at).collect()
    }

    /// Whether a real foreign key keeps any of the rows from going, if all of them went at once.
    pub(super) fn are_referenced(&self, going: &BTreeSet<At>, cleared: &BTreeSet<(At, usize)>) -> bool {
        let rules = self.schema.rules.iter().enumerate().filter(|(_, rule)| rule.constrained);
        rules.into_iter().any(|(r, rule)| {
            let staying = self.rows.iter().filter(|(at, _)| at.0 == rule.child && !going.contains(at));
            let mut links =
                staying.filter(|(at, _)| !cleared.contains(&(**at, r))).filter_map(|(_, row)| row.links.get(&r));
            links.any(|link| going.contains(&(rule.parent, *link)))
        })
    }

    /// Whether every real foreign key of the row finds its parent.
    pub(super) fn references_hold(&self, at: At, row: &Row) -> bool {
        let rules = self.schema.rules.iter().enumerate().filter(|(_, rule)| rule.constrained && rule.child == at.0);
        let mut parents = rules.filter_map(|(r, rule)| Some((rule.parent, *row.links.get(&r)?)));
        parents.all(|parent| parent == at || self.rows.contains_key(&parent))
    }

    pub(super) fn then(&self, at: At, rule: MarkerRule) -> Then {
        let table = &self.schema.tables[at.0];
        if rule == MarkerRule::Special && table.when == Some(true) { Then::Keep } else { table.then }
    }

    /// The rule that says what marks the row.
    pub(super) fn marker_rule(&self, at: At, row: &Row) -> MarkerRule {
        let is_special = self.schema.tables[at.0].when.is_some() && row.kind;
        if is_special { MarkerRule::Special } else { MarkerRule::General }
    }

    /// Whether the rule writes the status.
    pub(super) fn is_status(&self, at: At, rule: MarkerRule) -> bool {
        rule == MarkerRule::Special || self.schema.tables[at.0].status
    }

    /// The column that the rule writes, as the row has it.
    pub(super) fn marker<'r>(&self, at: At, rule: MarkerRule, row: &'r Row) -> &'r Value {
        if self.is_status(at, rule) { &row.status } else { &row.deleted_at }
    }

    /// Writes the marker, unless it is there already. Returns the mark.
    pub(super) fn mark(&mut self, at: At) -> Mark {
        let table = &self.schema.tables[at.0];
        let (status, rule) = (table.status, self.marker_rule(at, &self.rows[&at]));
        let before = self.marker(at, rule, &self.rows[&at]).clone();
        let value = match (rule, status, &before) {
            (MarkerRule::Special, ..) => Value::Text("Cancelled"),
            (_, true, _) => Value::Text("Deleted"),
            (.., Value::Null) => self.new_time(),
            (.., there) => there.clone(),
        };
        self.write_marker(at, rule, value.clone());
        Mark { rule, value, before }
    }

    pub(super) fn write_marker(&mut self, at: At, rule: MarkerRule, value: Value) {
        let status = self.is_status(at, rule);
        if let Some(row) = self.rows.get_mut(&at) {
            if status { row.status = value } else { row.deleted_at = value }
        }
    }

    /// Takes a mark back if the row still carries it and no other deletion than `id` needs it.
    pub(super) fn unmark(&mut self, at: At, mark: &Mark, id: Id, marked_as: MarkedAs) {
        let carries = self.rows.get(&at).is_some_and(|row| *self.marker(at, mark.rule, row) == mark.value);
        let as_child = self.marks.keys().any(|(of, child)| *child == at && *of != id);
        let for_itself = self.of_row(at).is_some_and(|own| own != id || marked_as == MarkedAs::Child);
        if carries && !as_child && !for_itself {
            self.write_marker(at, mark.rule, mark.before.clone());
        }
    }

    /// The confirmations that still hold of a row that now says something else.
    pub(super) fn still_confirmed(
        &self,
        at: At,
        confirmed: &BTreeSet<usize>,
        before: &Row,
        now: &Row,
    ) -> BTreeSet<usize> {
        let targets = &self.schema.tables[at.0].targets;
        confirmed.iter().copied().filter(|n| targets[*n] == Target::Plain || before.gcal == now.gcal).collect()
    }

    /// Whether a captured column differs.
    pub(super) fn is_changed(&self, at: At, before: &Row, now: &Row) -> bool {
        let table = &self.schema.tables[at.0];
        let gcal = table.targets.iter().any(|target| *target != Target::Plain) && before.gcal != now.gcal;
        let kind = table.when.is_some() && before.kind != now.kind;
        let status = (table.status || table.when.is_some()) && before.status != now.status;
        gcal || kind || status || (!table.status && before.deleted_at != now.deleted_at)
    }

    /// Moves on what waits, until nothing is to be moved.
    pub(super) fn follow(&mut self) {
        loop {
            let state_of = |id: &Id| self.open.get(id).map(|one| one.state);
            let next = self.open.iter().filter(|(_, one)| one.state == State::Waiting).find_map(|(id, _)| {
                let children: Vec<_> =
                    self.waits.iter().filter(|(of, _)| of == id).filter_map(|(_, c)| state_of(c)).collect();
                let dead = children.iter().any(|state| matches!(state, State::Dead(_)));
                (dead || children.is_empty()).then_some((*id, dead))
            });
            let Some((id, dead)) = next else { return };
            let state = if dead { State::Dead("child_dead") } else { State::Pending };
            self.open.get_mut(&id).unwrap().state = state;
        }
    }

    pub(super) fn end(&mut self, id: Id, end: End, child_marks: ChildMarks) {
        let Some(one) = self.open.remove(&id) else { return };
        let done = Done { at: one.at, end, value: one.mark.value, batch: one.batch, parent: one.parent };
        self.done.insert(id, done);
        self.waits.retain(|(of, _)| *of != id);
        if child_marks == ChildMarks::Forget {
            self.marks.retain(|(of, _), _| *of != id);
        }
    }
}
