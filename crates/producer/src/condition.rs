//! The conditions that a row is live, or removed.
//!
//! What marks a row is configuration: a time, a status, one or the other depending on a column. So the condition is
//! built from the resource and not from the entity. The marker need not even be a column of the entity.

use sea_orm::{
    Condition, EntityTrait,
    sea_query::{Alias, DynIden, Expr, ExprTrait, IntoColumnRef},
};
use sexton_core::{
    catalog::{Column, MarkerRule, Table},
    config::ColumnValue,
};

/// That a row of the entity is live.
pub(crate) fn live<E: EntityTrait>(table: &Table) -> Condition {
    by_rule(table, unmarked, &column_of::<E>)
}

/// That a row of the entity is removed.
pub(crate) fn removed<E: EntityTrait>(table: &Table) -> Condition {
    by_rule(table, marked, &column_of::<E>)
}

/// That a row of the table which the query knows as `alias` is live.
pub(crate) fn live_as(table: &Table, alias: &DynIden) -> Condition {
    by_rule(table, unmarked, &|column| Expr::col((alias.clone(), Alias::new(&column.name))))
}

/// How the query names a column.
type ColumnNaming<'n> = &'n dyn Fn(&Column) -> Expr;

fn column_of<E: EntityTrait>(column: &Column) -> Expr {
    Expr::col((E::default(), Alias::new(&column.name)).into_column_ref())
}

/// `test` of the rule that is for the row: the first whose `when` matches. A conjunction with `or` and no `case`, so
/// that an index on the marker can be used.
fn by_rule(
    table: &Table,
    test: impl Fn(&MarkerRule, ColumnNaming<'_>) -> Condition,
    named: ColumnNaming<'_>,
) -> Condition {
    let mut any = Condition::any();
    let mut no_earlier = Condition::all();
    for rule in &table.rules {
        match &rule.when {
            None => any = any.add(no_earlier.clone().add(test(rule, named))),
            Some((column, value)) => {
                let matches = equals(column, value, named);
                any = any.add(no_earlier.clone().add(matches).add(test(rule, named)));
                no_earlier = no_earlier.add(is_not(column, value, named));
            }
        }
    }
    any
}

fn marked(rule: &MarkerRule, named: ColumnNaming<'_>) -> Condition {
    Condition::all().add(match &rule.value {
        Some(value) => equals(&rule.column, value, named),
        None => named(&rule.column).is_not_null(),
    })
}

fn unmarked(rule: &MarkerRule, named: ColumnNaming<'_>) -> Condition {
    match &rule.value {
        Some(value) => is_not(&rule.column, value, named),
        None => Condition::all().add(named(&rule.column).is_null()),
    }
}

fn equals(of: &Column, value: &ColumnValue, named: ColumnNaming<'_>) -> Expr {
    named(of).eq(literal(of, value))
}

/// Null is a value like any other here.
fn is_not(of: &Column, value: &ColumnValue, named: ColumnNaming<'_>) -> Condition {
    Condition::any().add(named(of).ne(literal(of, value))).add(named(of).is_null())
}

/// The value as the statements that mark rows write it: a literal with a cast, which works for enums and domains as
/// well and lets the planner match partial indexes.
fn literal(column: &Column, value: &ColumnValue) -> Expr {
    Expr::cust(column.value(value))
}
