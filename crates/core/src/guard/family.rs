//! Rows whose twins go with their parents' twins (`twin = "goes_with_parent"`): for a parent and its children that are
//! deleted together without a request, one deletion is recorded and one call is made.
//!
//! Parents and children are deleted in either order, each with a statement of its own or by `on delete cascade`:
//! * parents first: their deletion is open and their row is gone when a child is deleted, which is then not recorded;
//! * children first: each is recorded with the values by which it names its parents (`follows`). Once the deletion of
//!   such a parent is recorded in the same transaction, theirs is dropped. Not in another: a child that was deleted
//!   alone has a twin that no other call deletes if the parent comes back.
//!
//! SQLite has no setting that tells transactions apart; there ten seconds stand for one.
//!
//! Rows of one table that name each other in a circle are all recorded: no circle may drop all of its deletions.

use std::collections::BTreeSet;

use crate::{
    catalog::{Catalog, ChildRule, Column, Table},
    config::Twin,
    db::{Dialect, Words, literal, quote},
    ids::ResourceName,
    ledger::Ledger,
};

/// The transition table with the deleted rows (PostgreSQL).
pub(super) const GONE: &str = "gone";

/// A rule by which the twins of rows of `child` go with those of rows of `parent`.
struct Bond<'c> {
    parent: &'c Table,
    child: &'c Table,
    rule: &'c ChildRule,
    /// Its name among the others.
    label: String,
}

/// The texts for the guard of a table.
pub(super) struct Family<'c> {
    ledger: &'c Ledger,
    table: &'c Table,
    /// By which its rows are children.
    above: Vec<Bond<'c>>,
    /// By which they are parents.
    below: Vec<Bond<'c>>,
    /// The columns of its rows that guards read.
    columns: Vec<&'c Column>,
    /// All rules, by the resources that they bind: parent and child.
    all: Vec<(&'c ResourceName, &'c ResourceName)>,
}

fn bonds(catalog: &Catalog) -> impl Iterator<Item = Bond<'_>> {
    let has_twins = |table: &&Table| !table.resource.targets.is_empty();
    let tables = move || catalog.tables().map(AsRef::as_ref).filter(has_twins);
    tables().flat_map(move |parent| {
        let rules = parent.resource.children.iter().zip(&parent.children).enumerate();
        let rules = rules.filter(|(_, (configured, _))| configured.twin == Some(Twin::GoesWithParent));
        rules.flat_map(move |(number, (_, rule))| {
            let children = tables().filter(|child| child.rows.sql == rule.rows.sql);
            children.map(move |child| Bond { parent, child, rule, label: format!("{}/{number}", parent.name) })
        })
    })
}

impl<'c> Family<'c> {
    pub(super) fn new(ledger: &'c Ledger, catalog: &'c Catalog, table: &'c Table) -> Self {
        let above: Vec<_> = bonds(catalog).filter(|bond| bond.child.name == table.name).collect();
        let below: Vec<_> = bonds(catalog).filter(|bond| bond.parent.name == table.name).collect();
        let all = bonds(catalog).map(|bond| (&bond.parent.name, &bond.child.name)).collect();
        let by_rules = above.iter().flat_map(|bond| [bond.rule.link.column()].into_iter().chain(&bond.rule.scope));
        let captured = table.payload.iter().chain(table.key.iter().map(|(column, _)| column));
        let named = below.iter().flat_map(|bond| [&bond.rule.references].into_iter().chain(&bond.rule.scope));
        let mut columns: Vec<&Column> = by_rules.chain(captured).chain(named).collect();
        columns.sort_by_key(|column| &column.name);
        columns.dedup_by_key(|column| &column.name);
        Self { ledger, table, above, below, columns, all }
    }

    /// Whether rows of the parent's table may go with rows of the child's, by this rule or others.
    fn is_circular(&self, bond: &Bond<'_>) -> bool {
        let (mut reached, mut open) = (BTreeSet::from([&bond.child.name]), vec![&bond.child.name]);
        while let Some(parent) = open.pop() {
            let children = self.all.iter().filter(|(above, _)| *above == parent).map(|(_, below)| *below);
            open.extend(children.filter(|child| reached.insert(child)));
        }
        reached.contains(&bond.parent.name)
    }

    /// The deleted rows as a table with the name `alias` (PostgreSQL). Virtual columns are computed there: a transition
    /// table does not have them.
    pub(super) fn gone_rows(&self, alias: &str) -> String {
        if self.columns.iter().all(|column| column.computed_as.is_none()) {
            return if alias == GONE { GONE.to_owned() } else { format!("{GONE} {alias}") };
        }
        let column = |column: &&Column| match &column.computed_as {
            Some(expression) => format!("({expression}) as {}", quote(&column.name)),
            None => quote(&column.name),
        };
        format!("(select {} from {GONE}) {alias}", self.columns.iter().map(column).collect::<Vec<_>>().join(", "))
    }

    /// The words `{follows}`, `{goes_with_parent}`, `{forget_children}` and `{remember_children}` for texts about the
    /// row or rows `row`.
    pub(super) fn words(&self, row: &str) -> [(&'static str, String); 4] {
        [
            ("follows", self.follows(row)),
            ("goes_with_parent", self.goes_with_parent(row)),
            ("forget_children", self.forget_children(row)),
            ("remember_children", self.remember_children(row)),
        ]
    }

    /// By which values the row names its parents; null if by none.
    fn follows(&self, row: &str) -> String {
        if self.above.is_empty() {
            return "null".to_owned();
        }
        let function = self.pick("jsonb_build_object", "json_object");
        let pairs = self.above.iter().map(|bond| format!("{}, {}", literal(&bond.label), bond.named(row)));
        format!("{function}({})", pairs.collect::<Vec<_>>().join(", "))
    }

    /// Whether the deletion of a parent is also that of the row.
    fn goes_with_parent(&self, row: &str) -> String {
        let mut ways: Vec<String> = self.above.iter().map(|bond| self.parent_is_open(bond, row)).collect();
        if self.table.dialect.has_statement_triggers() {
            let nested = self
                .above
                .iter()
                .filter(|bond| !bond.is_own() && self.all.iter().any(|(_, below)| **below == bond.parent.name));
            ways.extend(nested.map(|bond| {
                let named = bond.named(row);
                let words = Words::new(Dialect::Postgres).with([("named", named), ("label", literal(&bond.label))]);
                words.expand(IS_BELOW_CHILD)
            }));
            ways.extend(self.is_below_in_statement(row));
        }
        if ways.is_empty() {
            "false".to_owned()
        } else {
            format!("coalesce({}, false)", ways.join("\n            or "))
        }
    }

    /// Whether the row's parent is gone and its deletion is open.
    fn parent_is_open(&self, bond: &Bond<'_>, row: &str) -> String {
        let (parent, rule) = (bond.parent, bond.rule);
        let by_key = rule.scope.is_empty() && matches!(&parent.key[..], [(key, _)] if key.name == rule.references.name);
        let is_gone = match (self.table.dialect, rule.references.key_type()) {
            (Dialect::Sqlite, Some(kind)) => rule.references.equals_text(kind, "p", &rule.named(row)),
            (Dialect::Sqlite, None) => format!("{} = {}", rule.references.text("p"), rule.named(row)),
            (Dialect::Postgres, _) => parent.key_is("p", "d.key"),
        };
        let words = self.ledger.words.clone().with([
            ("parent", literal(parent.name.as_str())),
            ("parent_table", parent.rows.sql.clone()),
            ("parent_row", is_gone),
            ("link", rule.named(row)),
            ("named", bond.named(row)),
            ("in_payload", bond.in_payload("d.payload")),
        ]);
        words.expand(match (self.table.dialect, by_key) {
            (_, true) => OPEN_BY_KEY,
            (Dialect::Postgres, false) => OPEN_BY_PAYLOAD,
            (Dialect::Sqlite, false) => OPEN_BY_PAYLOAD_SQLITE,
        })
    }

    /// Whether the row is below another one of the same statement that is recorded itself (PostgreSQL).
    fn is_below_in_statement(&self, row: &str) -> Option<String> {
        let own: Vec<_> = self.above.iter().filter(|bond| bond.is_own()).collect();
        let pairs = own.iter().map(|bond| {
            let (child, parent) = (self.table.key_text("c"), self.table.key_text("p"));
            let (names, named) = (bond.named("c"), bond.link("p"));
            let (below, above) = (self.gone_rows("c"), self.gone_rows("p"));
            format!("select {child}, {parent} from {below} join {above} on {names} = {named}")
        });
        let pairs = pairs.collect::<Vec<_>>().join("\n                union ");
        let words = Words::new(Dialect::Postgres).with([("pairs", pairs), ("key", self.table.key_text(row))]);
        (!own.is_empty()).then(|| words.expand(IS_BELOW_IN_STATEMENT))
    }

    /// Drops the deletions of children that were deleted before their parents in this transaction.
    fn forget_children(&self, row: &str) -> String {
        let forget = |bond: &Bond<'_>| {
            let own = match (bond.is_own(), self.table.dialect) {
                (false, _) => String::new(),
                (true, Dialect::Postgres) => {
                    let key = self.table.key_text("own");
                    let rows = self.gone_rows("own");
                    format!("\n        and not exists (select 1 from {rows} where {key} = d.key)")
                }
                (true, Dialect::Sqlite) => format!("\n        and key <> {}", self.table.key_text(row)),
            };
            let also = match self.is_circular(bond) {
                true => "false".to_owned(),
                false => self.goes_with_parent(row),
            };
            let words = self.ledger.words.clone().with([
                ("also_goes", also),
                ("child", literal(bond.child.name.as_str())),
                ("name", literal(self.table.name.as_str())),
                ("label", literal(&bond.label)),
                ("path", literal(&format!("$.\"{}\"", bond.label))),
                ("rows", self.gone_rows(GONE)),
                ("row_link", bond.link(row)),
                ("row_key", self.table.key_text(row)),
                ("ten_seconds_ago", Dialect::Sqlite.in_ms("-10000")),
                ("but_own", own),
            ]);
            words.expand(words.pick(FORGET_POSTGRES, FORGET_SQLITE))
        };
        self.below.iter().map(forget).collect()
    }

    /// Leaves word of rows that went with their parents, for the children of theirs (PostgreSQL).
    fn remember_children(&self, row: &str) -> String {
        if self.above.is_empty() || !self.table.dialect.has_statement_triggers() {
            return String::new();
        }
        let remember = |bond: &Bond<'_>| {
            let words = Words::new(Dialect::Postgres).with([
                ("label", literal(&bond.label)),
                ("rows", self.gone_rows(GONE)),
                ("row_link", bond.link(row)),
                ("goes_with_parent", self.goes_with_parent(row)),
            ]);
            words.expand(REMEMBER)
        };
        self.below.iter().filter(|bond| !bond.is_own()).map(remember).collect()
    }

    fn pick<'t>(&self, postgres: &'t str, sqlite: &'t str) -> &'t str {
        match self.table.dialect {
            Dialect::Postgres => postgres,
            Dialect::Sqlite => sqlite,
        }
    }
}

impl Bond<'_> {
    /// Whether it binds rows of one table.
    fn is_own(&self) -> bool {
        self.parent.name == self.child.name
    }

    /// What the child's row names, as an array of texts; null if it names nothing.
    fn named(&self, row: &str) -> String {
        let values = [self.rule.named(row)].into_iter().chain(self.rule.scope.iter().map(|column| column.text(row)));
        self.array(values.collect())
    }

    /// What the parent's row is named by, in the same form.
    fn link(&self, row: &str) -> String {
        self.array(self.parent_columns().map(|column| column.text(row)).collect())
    }

    /// The same of what a deletion has captured.
    fn in_payload(&self, payload: &str) -> String {
        let value = |column: &Column| format!("({payload} ->> {})", literal(&column.name));
        self.array(self.parent_columns().map(value).collect())
    }

    fn parent_columns(&self) -> impl Iterator<Item = &Column> {
        [&self.rule.references].into_iter().chain(&self.rule.scope)
    }

    fn array(&self, values: Vec<String>) -> String {
        let function = match self.child.dialect {
            Dialect::Postgres => "jsonb_build_array",
            Dialect::Sqlite => "json_array",
        };
        let given: Vec<_> = values.iter().map(|value| format!("{value} is not null")).collect();
        format!("case when {} then {function}({}) end", given.join(" and "), values.join(", "))
    }
}

const OPEN_BY_KEY: &str = "\
exists (select 1 from {deletion} d where d.resource = {parent} and d.key = {link}
                and not exists (select 1 from {parent_table} p where {parent_row}))";

/// In this transaction alone: there is an index on batches.
const OPEN_BY_PAYLOAD: &str = "\
{named} in (select {in_payload} from {deletion} d where d.resource = {parent} and d.batch_id = guard.batch
                and not exists (select 1 from {parent_table} p where {parent_row}))";

const OPEN_BY_PAYLOAD_SQLITE: &str = "\
(not exists (select 1 from {parent_table} p where {parent_row}) and exists (
                select 1 from {deletion} d where d.resource = {parent} and {in_payload} = {named}))";

const IS_BELOW_CHILD: &str = "\
{named} in (select jsonb_array_elements(nullif(current_setting('sexton.guard_gone', true), '')::jsonb -> {label}))";

/// A row that none of the others is a parent of is recorded, and those below it go with it. Circles are below nothing.
const IS_BELOW_IN_STATEMENT: &str = "\
{key} in (with recursive pair (child, parent) as (
                {pairs}
            ), recorded (key) as (
                select parent from pair where parent not in (select child from pair)
                union select child from pair join recorded on recorded.key = pair.parent
            ) select child from pair join recorded on recorded.key = pair.parent)";

const FORGET_POSTGRES: &str = "
    delete from {deletion} d
    where d.batch_id = guard.batch and d.resource = {child} and d.state = {pending} and d.fence = 0
        and d.follows -> {label} in (
            select {row_link} from {rows} where exists (
                select 1 from {deletion} e where e.resource = {name} and e.key = {row_key}) or {also_goes}){but_own};";

const FORGET_SQLITE: &str = "
    delete from {deletion}
    where resource = {child} and state = {pending} and fence = 0 and follows is not null and requested_at >= {ten_seconds_ago}
        and json_extract(follows, {path}) = {row_link}
        and (exists (select 1 from {deletion} e where e.resource = {name} and e.key = {row_key}) or {also_goes}){but_own};";

const REMEMBER: &str = "
    perform set_config('sexton.guard_gone', (
        coalesce(nullif(current_setting('sexton.guard_gone', true), '')::jsonb, '{}') || jsonb_build_object({label},
            coalesce(nullif(current_setting('sexton.guard_gone', true), '')::jsonb -> {label}, '[]')
                || coalesce((select jsonb_agg({row_link}) from {rows} where {goes_with_parent}), '[]')))::text, true);";
