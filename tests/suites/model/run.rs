//! One case: a schema, and what happens to it.

use super::{
    actions::Action,
    fixture::Fixture,
    request::RestoreScope,
    schema::{At, Schema},
    state::{Id, MarkerRule, Model, Row, State, Value},
    system::System,
};

/// Runs a case. What differs first, and after which action.
pub(super) async fn run(fixture: &Fixture, schema: &Schema, actions: &[Action]) -> Result<(), String> {
    let (mut model, mut system) = (Model::new(schema), System::new(fixture, schema).await);
    for (n, action) in actions.iter().enumerate() {
        let done = match apply(&mut model, &mut system, action).await {
            Ok(()) => system.compare(&mut model).await,
            Err(why) => Err(why),
        };
        done.map_err(|why| format!("after action {n}, {action:?}:\n{why}"))?;
    }
    system.work_off().await.map_err(|why| format!("at the end: {why}"))?;
    system.compare_end(&model).await.map_err(|why| format!("at the end: {why}"))
}

/// Does the same to both. What differs in what they answer.
async fn apply(model: &mut Model, system: &mut System<'_>, action: &Action) -> Result<(), String> {
    let tables = model.schema.tables.len();
    let new = |table: &usize, slot: &usize| -> At { (table % tables, *slot) };
    let there: Vec<At> = model.rows.keys().copied().collect();
    let row = |of: &usize| Some(there[of.checked_rem(there.len())?]);
    let (expected, found) = match action {
        Action::Insert { table, slot, gcal, kind, links } => {
            let at = new(table, slot);
            let of_table = model.schema.rules.iter().enumerate().filter(|(_, rule)| rule.child == at.0);
            let links = of_table.filter_map(|(r, _)| Some((r, (*links.get(r)?)?))).collect();
            let row = Row { gcal: *gcal, kind: *kind, links, deleted_at: Value::Null, status: Value::Text("Active") };
            let fits = !model.rows.contains_key(&at) && model.references_hold(at, &row);
            let found = system.execute(insert(&model.schema, at, &row)).await;
            if fits {
                model.rows.insert(at, row);
            }
            (fits, found)
        }
        Action::Delete { of } => {
            let Some(at) = row(of) else { return Ok(()) };
            let fits = !model.are_referenced(&[at].into(), &[].into());
            let found = system.execute(format!("delete from t{} where {}", at.0, model.schema.is_row(at))).await;
            if fits {
                model.rows.remove(&at);
            }
            (fits || !model.rows.contains_key(&at), found)
        }
        Action::WriteGcal { of, gcal } => {
            let Some(at) = row(of) else { return Ok(()) };
            model.rows.get_mut(&at).unwrap().gcal = *gcal;
            (true, update(system, at, &format!("gcal = {}", text(gcal.map(|g| format!("g{g}"))))).await)
        }
        Action::ChangeKind { of } => {
            let Some(at) = row(of) else { return Ok(()) };
            let row = model.rows.get_mut(&at).unwrap();
            row.kind = !row.kind;
            let kind = text(row.kind.then(|| "T".to_owned()));
            (true, update(system, at, &format!("kind = {kind}")).await)
        }
        Action::Move { of, rule, to } => {
            let Some(at) = row(of) else { return Ok(()) };
            let Some(r) =
                (*rule..3).chain(0..*rule).find(|r| model.schema.rules.get(*r).is_some_and(|r| r.child == at.0))
            else {
                return Ok(());
            };
            let mut moved = model.rows[&at].clone();
            moved.links.remove(&r);
            moved.links.extend(to.map(|to| (r, to)));
            let link = link(&model.schema, r, *to);
            let fits = model.references_hold(at, &moved);
            let found = update(system, at, &format!("l{r} = {link}")).await;
            if fits {
                model.rows.insert(at, moved);
            }
            (fits, found)
        }
        Action::Mark { of } => {
            let Some(at) = row(of) else { return Ok(()) };
            let value = if model.schema.tables[at.0].status { Value::Text("Deleted") } else { model.new_time() };
            by_hand(model, system, at, value).await
        }
        Action::Unmark { of } => {
            let Some(at) = row(of) else { return Ok(()) };
            let value = if model.schema.tables[at.0].status { Value::Text("Active") } else { Value::Null };
            by_hand(model, system, at, value).await
        }
        Action::Request { of, more, after } => {
            let Some((table, first)) = row(of) else { return Ok(()) };
            let slots: Vec<usize> = more.iter().copied().filter(|slot| *slot != first).chain([first]).collect();
            let batch = model.batches;
            let expected = model.request(table, &slots, *after);
            (expected, system.request(table, &slots, *after, batch).await)
        }
        Action::Restore { of } => {
            let Some(id) = pick(model, *of, |_| true) else { return Ok(()) };
            (model.restore(id, RestoreScope::One), system.restore(id, None).await)
        }
        Action::RestoreBatch { of } => {
            let Some(id) = pick(model, *of, |_| true) else { return Ok(()) };
            let batch = model.open[&id].batch;
            (model.restore(id, RestoreScope::Batch), system.restore(id, Some(batch)).await)
        }
        Action::Retry { of } => {
            let Some(id) = pick(model, *of, is_dead) else { return Ok(()) };
            (model.retry(id), system.retry(id).await)
        }
        Action::Discard { of } => {
            let Some(id) = pick(model, *of, is_dead) else { return Ok(()) };
            (model.discard(id), system.discard(id).await)
        }
        Action::Work { of, answers, wait } => {
            let Some(id) = due(model, system, *of, *wait).await else { return Ok(()) };
            let at = model.open[&id].at;
            model.work(id, *answers);
            system.work(id, at, *answers).await?;
            (true, true)
        }
        Action::Crash { of, wait } => {
            let Some(id) = due(model, system, *of, *wait).await else { return Ok(()) };
            model.claim(id);
            (true, system.crash(id).await)
        }
        Action::Rescue { of } => {
            let Some(id) = pick(model, *of, |state| state == State::Running) else { return Ok(()) };
            model.rescue(id);
            (true, system.rescue(id).await)
        }
        Action::WriteLate { of } => {
            if system.claims.is_empty() {
                return Ok(());
            }
            let claim = of % system.claims.len();
            let (id, of) = &system.claims[claim];
            (model.write_late(*id, of.fence.0), system.write_late(claim).await)
        }
        Action::Follow => {
            model.follow();
            system.follow().await;
            (true, true)
        }
    };
    if expected == found { Ok(()) } else { Err(format!("{expected} is expected, and the answer is {found}")) }
}

fn is_dead(state: State) -> bool {
    matches!(state, State::Dead(_))
}

fn pick(model: &Model, of: usize, wanted: impl Fn(State) -> bool) -> Option<Id> {
    let ids: Vec<Id> = model.open.iter().filter(|(_, one)| wanted(one.state)).map(|(id, _)| *id).collect();
    ids.get(of.checked_rem(ids.len())?).copied()
}

/// A pending deletion that is due, if need be because the clock is set on.
async fn due(model: &mut Model, system: &System<'_>, of: usize, wait: bool) -> Option<Id> {
    let id = pick(model, of, |state| state == State::Pending)?;
    let one = model.open.get_mut(&id)?;
    if !one.due && wait {
        one.due = true;
        system.make_due(id).await;
    }
    one.due.then_some(id)
}

async fn by_hand(model: &mut Model, system: &mut System<'_>, at: At, value: Value) -> (bool, bool) {
    let column = if model.schema.tables[at.0].status { "status" } else { "deleted_at" };
    let sql = format!("{column} = {}", system.by_hand(&value));
    model.write_marker(at, MarkerRule::General, value);
    (true, update(system, at, &sql).await)
}

async fn update(system: &System<'_>, at: At, set: &str) -> bool {
    system.execute(format!("update t{} set {set} where {}", at.0, system.schema.is_row(at))).await
}

fn text(value: Option<String>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"))
}

/// How a row names its parent.
fn link(schema: &Schema, rule: usize, to: Option<usize>) -> String {
    let of = &schema.rules[rule];
    let id = to.map(|to| schema.id((of.parent, to)));
    text(if of.json { id.map(|id| format!(r#"{{"up": {{"id": "{id}"}}, "x": 1}}"#)) } else { id })
}

fn insert(schema: &Schema, at: At, row: &Row) -> String {
    let mut columns = String::new();
    let mut values = String::new();
    for (rule, to) in &row.links {
        columns += &format!(", l{rule}");
        values += &format!(", {}", link(schema, *rule, Some(*to)));
    }
    format!(
        "insert into t{} (tenant, id, gcal, kind{columns}) values ('{}', '{}', {}, {}{values})",
        at.0,
        Schema::tenant(at),
        schema.id(at),
        text(row.gcal.map(|g| format!("g{g}"))),
        text(row.kind.then(|| "T".to_owned())),
    )
}
