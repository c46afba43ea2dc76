//! Failures that random cases have found, each as small as possible.

use super::{
    actions::{Action, Answer},
    fixture::Fixture,
    run::run,
    schema::{Goes, Key, Rule, Schema, Table, Target, Then},
};
use crate::rig::on_both;

on_both!(
    child_that_arrives_below_one_that_goes_along_goes_first,
    target_hears_of_a_change_while_only_the_row_is_left_to_go,
    parent_and_child_are_requested_together_and_go_at_once,
    row_that_is_below_itself_does_not_wait_for_itself,
);

async fn check(fixture: &Fixture, schema: Schema, actions: &[Action]) {
    if let Err(why) = run(fixture, &schema, actions).await {
        panic!("{why}");
    }
}

fn table(targets: &[Target]) -> Table {
    let targets = targets.to_vec();
    Table { key: Key::Integer, status: false, when: None, then: Then::Delete, targets, grace: false }
}

const fn rule(parent: usize, child: usize, goes: Goes) -> Rule {
    Rule { parent, child, goes, json: false, constrained: false }
}

const fn row(table: usize, slot: usize, links: [Option<usize>; 3]) -> Action {
    Action::Insert { table, slot, gcal: Some(0), kind: false, links }
}

const fn request(of: usize) -> Action {
    Action::Request { of, more: Vec::new(), after: false }
}

const fn work(of: usize) -> Action {
    Action::Work { of, answers: [Answer::Done; 2], wait: true }
}

async fn child_that_arrives_below_one_that_goes_along_goes_first(fixture: Fixture) {
    let tables = vec![table(&[Target::Plain]), table(&[Target::Plain])];
    let rules = vec![rule(0, 0, Goes::Along), rule(0, 1, Goes::First)];
    let rows = [row(0, 0, [None; 3]), row(0, 1, [Some(0), None, None])];
    let late = row(1, 0, [None, Some(1), None]);
    check(&fixture, Schema { tables, rules }, &[&rows[..], &[request(0), late, work(0)]].concat()).await;
}

async fn target_hears_of_a_change_while_only_the_row_is_left_to_go(fixture: Fixture) {
    let tables = vec![Table { then: Then::DeleteAfter, ..table(&[Target::Needs]) }];
    let change = Action::WriteGcal { of: 0, gcal: Some(1) };
    check(
        &fixture,
        Schema { tables, rules: Vec::new() },
        &[row(0, 0, [None; 3]), request(0), work(0), change, work(0)],
    )
    .await;
}

async fn parent_and_child_are_requested_together_and_go_at_once(fixture: Fixture) {
    let rules = vec![Rule { constrained: true, ..rule(0, 0, Goes::Along) }];
    let rows = [row(0, 0, [None; 3]), row(0, 1, [Some(0), None, None])];
    let request = Action::Request { of: 1, more: vec![0], after: false };
    check(&fixture, Schema { tables: vec![table(&[])], rules }, &[&rows[..], &[request]].concat()).await;
}

async fn row_that_is_below_itself_does_not_wait_for_itself(fixture: Fixture) {
    let rules = vec![rule(0, 0, Goes::Along), rule(0, 0, Goes::First)];
    let rows = [row(0, 0, [None, Some(1), None]), row(0, 1, [Some(0), None, None])];
    check(
        &fixture,
        Schema { tables: vec![table(&[Target::Plain])], rules },
        &[&rows[..], &[request(0), work(0)]].concat(),
    )
    .await;
}
