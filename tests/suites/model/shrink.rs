//! Smaller cases, to find the smallest that fails. proptest shrinks action by action, and a case
//! takes too long for that.

use super::{
    actions::Action,
    schema::{Key, Schema, Table, Target, Then},
};

/// The case with a part left out or made simpler; none when `step` is past the last way of doing so.
pub(super) fn smaller(schema: &Schema, actions: &[Action], step: usize) -> Option<(Schema, Vec<Action>)> {
    let mut step = step;
    let mut size = actions.len().div_ceil(2);
    while size > 0 {
        let parts = actions.len().div_ceil(size);
        if step < parts {
            // From the end: what comes later is the more likely to be of no use.
            let (from, to) = ((parts - 1 - step) * size, ((parts - step) * size).min(actions.len()));
            return Some((schema.clone(), [&actions[..from], &actions[to..]].concat()));
        }
        step -= parts;
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    simpler(schema, step).map(|schema| (schema, actions.to_vec()))
}

fn simpler(schema: &Schema, step: usize) -> Option<Schema> {
    let mut all: Vec<Schema> = Vec::new();
    let mut change = |change: &dyn Fn(&mut Schema) -> bool| {
        let mut changed = schema.clone();
        if change(&mut changed) {
            all.push(changed);
        }
    };
    for rule in 0..schema.rules.len() {
        change(&|schema| rule + 1 == schema.rules.len() && schema.rules.pop().is_some());
        change(&|schema| std::mem::take(&mut schema.rules[rule].json));
        change(&|schema| std::mem::take(&mut schema.rules[rule].constrained));
    }
    for table in 0..schema.tables.len() {
        let of = |schema: &mut Schema, change: &dyn Fn(&mut Table) -> bool| change(&mut schema.tables[table]);
        change(&|schema| of(schema, &|table| std::mem::take(&mut table.grace)));
        change(&|schema| of(schema, &|table| std::mem::take(&mut table.status)));
        change(&|schema| of(schema, &|table| table.when.take().is_some()));
        change(&|schema| of(schema, &|table| std::mem::replace(&mut table.then, Then::Delete) != Then::Delete));
        change(&|schema| of(schema, &|table| std::mem::replace(&mut table.key, Key::Integer) != Key::Integer));
        change(&|schema| of(schema, &|table| table.targets.pop().is_some()));
        change(&|schema| {
            of(schema, &|table| table.targets.iter_mut().any(|t| std::mem::replace(t, Target::Plain) != Target::Plain))
        });
    }
    all.into_iter().nth(step)
}
