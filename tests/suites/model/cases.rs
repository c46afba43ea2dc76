//! Which cases are run, and how a failing one is shown.

use std::{
    fmt::Write as _,
    str::FromStr,
    time::{Duration, Instant},
};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sexton_core::db::Dialect;

use super::{
    actions::{Action, actions},
    fixture::Fixture,
    run::run,
    schema::{Schema, schemas},
    shrink::smaller,
};
use crate::rig::on_both;

/// Cases of a test; `SEXTON_MODEL_CASES` says another number.
const CASES: u32 = 12;
/// For how long a shorter failure is looked for; `SEXTON_MODEL_SHRINK_SECONDS` says another number.
const SHRINK_SECONDS: u64 = 45;

on_both!(whatever_happens_rows_and_ledger_are_as_the_model_says);

async fn whatever_happens_rows_and_ledger_are_as_the_model_says(fixture: Fixture) {
    check(&fixture);
}

/// The same cases every time, so that what fails here was broken by the last change; others every time if a number
/// of cases or a seed is asked for.
fn check(fixture: &Fixture) {
    let (cases, seed) = (setting("SEXTON_MODEL_CASES"), setting("SEXTON_MODEL_SEED"));
    let fixed = if cases.is_none() { 1 } else { rand_seed() };
    run_cases(fixture, seed.unwrap_or(fixed), cases.unwrap_or(CASES));
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn rand_seed() -> u32 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos()
}

fn run_cases(fixture: &Fixture, seed: u32, cases: u32) {
    println!("SEXTON_MODEL_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let (mut count, runtime) = (0, tokio::runtime::Handle::current());
    let strategy = (schemas(), actions());
    let one = |schema: &Schema, actions: &[Action]| {
        tokio::task::block_in_place(|| runtime.block_on(run(fixture, schema, actions)))
    };
    for _ in 0..cases {
        count += 1;
        let (schema, actions) = strategy.new_tree(&mut runner).unwrap().current();
        let Err(mut why) = one(&schema, &actions) else { continue };
        println!("case {count} of seed {seed} fails: {why}");
        let until =
            Instant::now() + Duration::from_secs(setting("SEXTON_MODEL_SHRINK_SECONDS").unwrap_or(SHRINK_SECONDS));
        let mut smallest = (schema, actions);
        let mut step = 0;
        // Every way of making it smaller, from the beginning again after each that worked; until none does.
        while let Some(smaller) = smaller(&smallest.0, &smallest.1, step) {
            if Instant::now() > until {
                break;
            }
            match one(&smaller.0, &smaller.1) {
                Err(error) => {
                    step = if smaller.1.len() < smallest.1.len() { step } else { 0 };
                    (why, smallest) = (error, smaller);
                }
                Ok(()) => step += 1,
            }
        }
        panic!("case {count} of seed {seed}: {}", shown(&smallest.0, &smallest.1, &why));
    }
}

/// A case as a person would write it down.
fn shown(schema: &Schema, actions: &[Action], why: &str) -> String {
    let mut text = format!("{why}\n\n{}{}\n\n{schema:?}\n", schema.resources(), schema.tables(Dialect::Postgres));
    for (n, action) in actions.iter().enumerate() {
        writeln!(text, "{n}: {action:?}").unwrap();
    }
    text
}
