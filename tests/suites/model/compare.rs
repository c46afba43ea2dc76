//! Comparing rows, ledger and calls with the model.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    schema::{At, TARGETS},
    state::{End, Id, MarkerRule, Model, State, Value},
    system::System,
};

type Text = Option<String>;

impl System<'_> {
    /// What differs, after an action.
    pub(super) async fn compare(&mut self, model: &mut Model) -> Result<(), String> {
        self.learn_ids(model).await?;
        self.compare_waits(model).await?;
        self.compare_rows(model).await?;
        self.compare_open(model).await?;
        self.compare_done(model).await?;
        self.compare_marks(model).await?;
        let log = self.fixture.api.log();
        let calls: Vec<String> = log[self.called..].iter().map(|call| call.path_and_query.clone()).collect();
        self.called = log.len();
        same("calls", &std::mem::take(&mut model.calls), &calls)
    }

    /// New deletions are recognized by their rows.
    async fn learn_ids(&mut self, model: &mut Model) -> Result<(), String> {
        let sql = "select id, resource, key, parent_id from sexton_deletion
                   union all select id, resource, key, parent_id from sexton_deletion_done order by 1";
        let rows = self.fixture.rows(sql).await;
        let known: BTreeSet<String> = self.ids.values().cloned().collect();
        let new_ids: Vec<Id> =
            model.open.keys().chain(model.done.keys()).filter(|id| !self.ids.contains_key(id)).copied().collect();
        let at_of = |id: &Id| model.open.get(id).map(|one| one.at).or_else(|| Some(model.done.get(id)?.at));
        let mut by_at: BTreeMap<_, Id> = new_ids.iter().filter_map(|id| Some((at_of(id)?, *id))).collect();
        let mut found = Vec::new();
        for row in rows {
            let real = row[0].clone().unwrap();
            if known.contains(&real) {
                continue;
            }
            let at = self.schema.at(row[1].as_ref().unwrap(), row[2].as_ref().unwrap());
            let Some(id) = by_at.remove(&at) else { return Err(format!("there is a deletion of {at:?} too many")) };
            self.ids.insert(id, real);
            found.push((id, row[3].clone()));
        }
        if !by_at.is_empty() {
            return Err(format!("there is no deletion of {:?}", by_at.keys().collect::<Vec<_>>()));
        }
        for (id, parent) in found {
            let parent = parent.and_then(|parent| self.id_of(&parent));
            if let Some(one) = model.open.get_mut(&id) {
                if parent.map_or(!one.parents.is_empty(), |parent| !one.parents.contains(&parent)) {
                    return Err(format!("the parent of {id} is {parent:?}, not one of {:?}", one.parents));
                }
                one.parent = parent;
            }
        }
        Ok(())
    }

    pub(super) fn id_of(&self, real: &str) -> Option<Id> {
        self.ids.iter().find(|(_, id)| *id == real).map(|(id, _)| *id)
    }

    /// Of pairs that would close a circle some are left out, and it does not matter which.
    async fn compare_waits(&self, model: &mut Model) -> Result<(), String> {
        let rows = self.fixture.rows("select deletion_id, child_id from sexton_wait").await;
        let mut there = BTreeSet::new();
        for row in rows {
            let real = |n: usize| row[n].clone().unwrap();
            let (Some(of), Some(child)) = (self.id_of(&real(0)), self.id_of(&real(1))) else {
                return Err(format!("a deletion waits that the model does not know: {row:?}"));
            };
            there.insert((of, child));
        }
        let candidates = std::mem::take(&mut model.candidates);
        let allowed: BTreeSet<_> = model.waits.union(&candidates).copied().collect();
        let reaches = |from: Id, to: Id| {
            let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
            while let Some(at) = open.pop() {
                open.extend(there.iter().filter(|(of, _)| *of == at).map(|(_, c)| *c).filter(|c| seen.insert(*c)));
            }
            seen.contains(&to)
        };
        let left_out = allowed
            .difference(&there)
            .find(|(of, child)| model.waits.contains(&(*of, *child)) || !reaches(*child, *of));
        if !there.is_subset(&allowed) || left_out.is_some() {
            return same("waits", &allowed.iter().collect::<Vec<_>>(), &there.iter().collect::<Vec<_>>());
        }
        if let Some((of, child)) = there.iter().find(|(of, child)| reaches(*child, *of)) {
            return Err(format!("{of} waits for {child}, which waits for it"));
        }
        model.waits = there;
        for id in std::mem::take(&mut model.held_back) {
            let waits = model.waits.iter().any(|(of, _)| *of == id);
            if let Some(one) = model.open.get_mut(&id).filter(|one| waits && one.state == State::Pending) {
                one.state = State::Waiting;
            }
        }
        Ok(())
    }

    async fn compare_rows(&mut self, model: &Model) -> Result<(), String> {
        let time =
            if self.fixture.is_postgres() { "to_jsonb(deleted_at at time zone 'UTC') #>> '{}'" } else { "deleted_at" };
        for table in 0..self.schema.tables.len() {
            let rules: Vec<usize> =
                (0..self.schema.rules.len()).filter(|r| self.schema.rules[*r].child == table).collect();
            let links: String = rules.iter().map(|r| format!(", l{r}")).collect();
            let sql = format!("select tenant, id, gcal, kind, status, {time}{links} from t{table}");
            let mut there = BTreeMap::new();
            for row in self.fixture.rows(&sql).await {
                let id = row[1].clone().unwrap();
                let same = |slot: &usize| {
                    let at = (table, *slot);
                    let composite = self.schema.tables[table].key == super::schema::Key::Composite;
                    self.schema.id(at) == id
                        && (!composite || Some(super::schema::Schema::tenant(at)) == row[0].as_deref())
                };
                let slot = (0..super::schema::SLOTS).find(same).ok_or_else(|| format!("what is {row:?}"))?;
                there.insert((table, slot), row);
            }
            let expected: Vec<_> = model.rows.keys().filter(|at| at.0 == table).collect();
            same("rows", &expected, &there.keys().collect::<Vec<_>>())?;
            for (at, row) in &there {
                let expected = &model.rows[at];
                let gcal = expected.gcal.map(|g| format!("g{g}"));
                same(&format!("gcal of {at:?}"), &gcal, &row[2])?;
                same(&format!("kind of {at:?}"), &expected.kind.then(|| "T".to_owned()), &row[3])?;
                self.value(*at, &format!("status of {at:?}"), &expected.status, &row[4])?;
                self.value(*at, &format!("deleted_at of {at:?}"), &expected.deleted_at, &row[5])?;
                for (n, rule) in rules.iter().enumerate() {
                    let link =
                        expected.links.get(rule).map(|slot| self.schema.id((self.schema.rules[*rule].parent, *slot)));
                    let json = self.schema.rules[*rule].json;
                    let found = row[6 + n].clone().map(|text| if json { named(&text) } else { Some(text) });
                    same(&format!("l{rule} of {at:?}"), &link, &found.flatten())?;
                }
            }
        }
        Ok(())
    }

    async fn compare_open(&mut self, model: &Model) -> Result<(), String> {
        let sql = format!(
            "select id, resource, key, state, phase, dead_kind, fence, attempts, rescues,
                case when called_at is null then 0 else 1 end, confirmations, marker_value, marker_before, marker_rule,
                case when run_at <= {} then 1 else 0 end from sexton_deletion",
            self.in_seconds(1)
        );
        let rows = self.fixture.rows(&sql).await;
        let mut seen = BTreeSet::new();
        for row in rows {
            let id = self.id_of(row[0].as_ref().unwrap()).ok_or("a deletion that the model does not know")?;
            let Some(one) = model.open.get(&id) else { return Err(format!("deletion {id} is still there: {row:?}")) };
            seen.insert(id);
            let name = format!("deletion {id} of {:?}", one.at);
            let state = match one.state {
                State::Pending => "pending",
                State::Waiting => "waiting",
                State::Running => "running",
                State::Dead(_) => "dead",
            };
            let dead = if let State::Dead(kind) = one.state { Some(kind.to_owned()) } else { None };
            same(&format!("state of {name}"), &(state, dead), &(row[3].as_deref().unwrap(), row[5].clone()))?;
            same(
                &format!("phase of {name}"),
                &(if one.remove { "remove" } else { "confirm" }),
                &row[4].as_deref().unwrap(),
            )?;
            let numbers = [one.fence, one.attempts, one.rescues, i64::from(one.called)];
            let found: Vec<i64> = row[6..10].iter().map(|n| n.as_ref().unwrap().parse().unwrap()).collect();
            same(&format!("fence, attempts, rescues, called of {name}"), &numbers[..], &found[..])?;
            let confirmed: BTreeSet<&str> = one.confirmed.iter().map(|n| TARGETS[*n]).collect();
            let answers: serde_json::Value = serde_json::from_str(row[10].as_ref().unwrap()).unwrap();
            let found: BTreeSet<&str> = answers.as_object().unwrap().keys().map(String::as_str).collect();
            same(&format!("confirmations of {name}"), &confirmed, &found)?;
            self.value(one.at, &format!("marker of {name}"), &one.mark.value, &row[11])?;
            self.value(one.at, &format!("marker before {name}"), &one.mark.before, &row[12])?;
            let general = usize::from(self.schema.tables[one.at.0].when.is_some());
            let rule = if one.mark.rule == MarkerRule::Special { 0 } else { general };
            same(&format!("rule of {name}"), &rule.to_string(), row[13].as_ref().unwrap())?;
            if one.state == State::Pending {
                same(&format!("whether {name} is due"), &one.due, &(row[14].as_deref() == Some("1")))?;
            }
        }
        same("open and dead deletions", &model.open.keys().copied().collect::<BTreeSet<_>>(), &seen)
    }

    async fn compare_done(&self, model: &Model) -> Result<(), String> {
        let sql = "select id, state, coalesce(cancelled_by, row_outcome) from sexton_deletion_done";
        let mut there = BTreeMap::new();
        for row in self.fixture.rows(sql).await {
            let id = self.id_of(row[0].as_ref().unwrap()).ok_or("a deletion that the model does not know")?;
            there.insert(id, (row[1].clone().unwrap(), row[2].clone().unwrap()));
        }
        let done = |(id, one): (&Id, &super::state::Done)| (*id, ended(&one.end));
        same("finished deletions", &model.done.iter().map(done).collect::<BTreeMap<_, _>>(), &there)
    }

    async fn compare_marks(&mut self, model: &Model) -> Result<(), String> {
        let sql = "select deletion_id, resource, key, marker_value, marker_before from sexton_child";
        let mut there = BTreeMap::new();
        for row in self.fixture.rows(sql).await {
            let id = self.id_of(row[0].as_ref().unwrap()).ok_or("a mark of a deletion that the model does not know")?;
            let at = self.schema.at(row[1].as_ref().unwrap(), row[2].as_ref().unwrap());
            there.insert((id, at), (row[3].clone(), row[4].clone()));
        }
        same("marks", &model.marks.keys().collect::<Vec<_>>(), &there.keys().collect::<Vec<_>>())?;
        for (key, mark) in &model.marks {
            let (value, before) = &there[key];
            self.value(key.1, &format!("mark {key:?}"), &mark.value, value)?;
            self.value(key.1, &format!("before mark {key:?}"), &mark.before, before)?;
        }
        Ok(())
    }

    /// A time is what it was when it was first seen, and no other time of the row is the same.
    fn value(&mut self, at: At, what: &str, expected: &Value, found: &Text) -> Result<(), String> {
        let expected = match (expected, found) {
            (Value::Null, _) => None,
            (Value::Text(text), _) => Some((*text).to_owned()),
            (Value::Time(n), Some(found)) if !self.times.contains_key(n) => {
                if self.times.values().any(|(of, known)| *of == at && known == found) {
                    return Err(format!("{what} should be a new time, and is {found}"));
                }
                self.times.insert(*n, (at, found.clone()));
                return Ok(());
            }
            (Value::Time(n), _) => {
                Some(self.times.get(n).map_or_else(|| "a time".to_owned(), |(_, time)| time.clone()))
            }
        };
        same(what, &expected, found)
    }
}

pub(super) fn ended(end: &End) -> (String, String) {
    let (state, how) = match end {
        End::Deleted => ("completed", "deleted"),
        End::AlreadyGone => ("completed", "already_gone"),
        End::Kept => ("completed", "kept"),
        End::Restored => ("cancelled", "restored"),
        End::Discarded => ("cancelled", "discarded"),
        End::Superseded => ("cancelled", "superseded"),
    };
    (state.to_owned(), how.to_owned())
}

/// What the JSON of a child names.
fn named(json: &str) -> Text {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    json.pointer("/up/id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: {expected:?} is expected, and {found:?} is there")) }
}
