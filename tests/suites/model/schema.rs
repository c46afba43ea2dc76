//! Small random schemas: up to three tables with a few ways of being related.

use std::fmt::Write as _;

use proptest::prelude::*;
use sexton_core::db::Dialect;

/// The number of keys that rows of a table can have.
pub(super) const SLOTS: usize = 5;

/// A row: its table and which of the keys it has.
pub(super) type At = (usize, usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Integer,
    Uuid,
    Text,
    /// `["tenant", "id"]`, of which `id` alone is not unique.
    Composite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Delete,
    Keep,
    DeleteAfter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Its URL is made of the key alone.
    Plain,
    /// Its URL needs `gcal`; without one the deletion is dead.
    Needs,
    /// Its URL needs `gcal`; without one there is nothing to delete.
    Skips,
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) key: Key,
    /// Marked with a status instead of a time.
    pub(super) status: bool,
    /// Rows of the kind `T` have a status of their own, and with `true` are kept.
    pub(super) when: Option<bool>,
    pub(super) then: Then,
    pub(super) targets: Vec<Target>,
    pub(super) grace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    Along,
    First,
    Cleared,
}

#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) parent: usize,
    pub(super) child: usize,
    pub(super) goes: Goes,
    pub(super) json: bool,
    /// The column is a real foreign key.
    pub(super) constrained: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Schema {
    pub(super) tables: Vec<Table>,
    pub(super) rules: Vec<Rule>,
}

pub(super) const TARGETS: [&str; 2] = ["near", "far"];

pub(super) fn schemas() -> impl Strategy<Value = Schema> {
    let key =
        prop_oneof![4 => Just(Key::Integer), 1 => Just(Key::Uuid), 1 => Just(Key::Text), 1 => Just(Key::Composite)];
    let then = prop_oneof![5 => Just(Then::Delete), 1 => Just(Then::Keep), 1 => Just(Then::DeleteAfter)];
    let target = prop_oneof![3 => Just(Target::Plain), 1 => Just(Target::Needs), 2 => Just(Target::Skips)];
    let targets = prop_oneof![
        1 => Just(Vec::new()),
        3 => target.clone().prop_map(|one| vec![one]),
        1 => prop::collection::vec(target, 2),
    ];
    let rarely = || prop::bool::weighted(0.2);
    let when = prop::option::weighted(0.2, any::<bool>());
    let table = (key, rarely(), when, then, targets, rarely())
        .prop_map(|(key, status, when, then, targets, grace)| Table { key, status, when, then, targets, grace });
    let goes = prop_oneof![3 => Just(Goes::Along), 3 => Just(Goes::First), 1 => Just(Goes::Cleared)];
    let rule = (any::<usize>(), any::<usize>(), goes, rarely(), prop::bool::weighted(0.4));
    let rules = prop::collection::vec(rule, 0..=3);
    (prop_oneof![1 => prop::collection::vec(table.clone(), 1), 3 => prop::collection::vec(table, 2..=3)], rules)
        .prop_map(|(tables, rules)| {
            let rule = |(parent, child, goes, json, constrained): (usize, usize, Goes, bool, bool)| {
                let (parent, child) = (parent % tables.len(), child % tables.len());
                let constrained = constrained && !json && tables[parent].key != Key::Composite;
                Rule { parent, child, goes, json, constrained }
            };
            Schema { rules: rules.into_iter().map(rule).collect(), tables: tables.clone() }
        })
}

impl Schema {
    /// The rules by which rows of `parent` have children, in the order in which they are configured.
    pub(super) fn of_parent(&self, parent: usize) -> impl Iterator<Item = (usize, &Rule)> {
        self.rules.iter().enumerate().filter(move |(_, rule)| rule.parent == parent)
    }

    /// The value of the column `id`.
    pub(super) fn id(&self, (table, slot): At) -> String {
        match self.tables[table].key {
            Key::Integer => (slot + 1).to_string(),
            Key::Uuid => format!("00000000-0000-4000-8000-00000000000{slot}"),
            Key::Text => format!("k{slot}"),
            Key::Composite => (slot / 2 + 1).to_string(),
        }
    }

    /// The value of the column `tenant`, with which a composite key begins.
    pub(super) const fn tenant((_, slot): At) -> &'static str {
        if slot.is_multiple_of(2) { "a" } else { "b" }
    }

    /// The key as the ledger has it.
    pub(super) fn key(&self, at: At) -> String {
        match self.tables[at.0].key {
            Key::Composite => format!("[\"{}\",\"{}\"]", Self::tenant(at), self.id(at)),
            _ => self.id(at),
        }
    }

    pub(super) fn at(&self, resource: &str, key: &str) -> At {
        let table: usize = resource[1..].parse().unwrap();
        let key = key.replace(' ', "");
        (table, (0..SLOTS).find(|slot| self.key((table, *slot)) == key).unwrap_or_else(|| panic!("{resource} {key}")))
    }

    /// Whether a row that names `link` by `rule` is a child of `parent`.
    pub(super) fn is_named(&self, child: At, link: usize, parent: At) -> bool {
        let same_tenant = Self::tenant(child) == Self::tenant(parent);
        let scoped = self.tables[parent.0].key == Key::Composite;
        self.id((parent.0, link)) == self.id(parent) && (!scoped || same_tenant)
    }

    /// Condition under which a row is the one.
    pub(super) fn is_row(&self, at: At) -> String {
        let id = format!("id = '{}'", self.id(at));
        match self.tables[at.0].key {
            Key::Composite => format!("tenant = '{}' and {id}", Self::tenant(at)),
            _ => id,
        }
    }

    fn id_type(&self, table: usize, dialect: Dialect) -> &'static str {
        match self.tables[table].key {
            Key::Integer | Key::Composite => "bigint",
            Key::Uuid if dialect == Dialect::Postgres => "uuid",
            Key::Uuid => "uuid_text",
            Key::Text => "text",
        }
    }

    /// The statements that create the application's tables.
    pub(super) fn tables(&self, dialect: Dialect) -> String {
        let (time, json) = match dialect {
            Dialect::Postgres => ("timestamptz", "jsonb"),
            Dialect::Sqlite => ("text", "text"),
        };
        let mut sql = String::new();
        let mut constraints = String::new();
        for (n, table) in self.tables.iter().enumerate() {
            let id = self.id_type(n, dialect);
            let key = if table.key == Key::Composite { "tenant, id" } else { "id" };
            write!(
                sql,
                "create table t{n} (tenant text not null, id {id} not null, gcal text, kind text, \
                 status text not null default 'Active', deleted_at {time}"
            )
            .unwrap();
            for (r, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.child == n) {
                let kind = if rule.json { json } else { self.id_type(rule.parent, dialect) };
                write!(sql, ", l{r} {kind}").unwrap();
                if rule.constrained && dialect == Dialect::Postgres {
                    let parent = rule.parent;
                    write!(constraints, "alter table t{n} add foreign key (l{r}) references t{parent} (id);").unwrap();
                } else if rule.constrained {
                    write!(sql, " references t{} (id)", rule.parent).unwrap();
                }
            }
            write!(sql, ", primary key ({key}));").unwrap();
        }
        sql + &constraints
    }

    /// The resources as `sexton.toml` has them; `@API@` is where the external system is.
    pub(super) fn resources(&self) -> String {
        let mut toml = String::new();
        for (n, table) in self.tables.iter().enumerate() {
            let key = if table.key == Key::Composite { r#"["tenant", "id"]"# } else { r#""id""# };
            let marker =
                if table.status { r#"column = "status", value = "Deleted""# } else { r#"column = "deleted_at""# };
            let then = match table.then {
                Then::Delete => r#""delete""#,
                Then::Keep => r#""keep""#,
                Then::DeleteAfter => r#"{ delete_after = "30d" }"#,
            };
            write!(toml, "[resources.t{n}]\ntable = \"t{n}\"\nkey = {key}\nmarker = {{ {marker} }}\nthen = {then}\n")
                .unwrap();
            if let Some(keep) = table.when {
                let then = if keep { ", then = \"keep\"" } else { "" };
                writeln!(
                    toml,
                    "marker_when = [{{ column = \"kind\", equals = \"T\", marker = {{ column = \"status\", \
                     value = \"Cancelled\" }}{then} }}]"
                )
                .unwrap();
            }
            if table.grace {
                toml.push_str("grace = \"1h\"\n");
            }
            for (target, name) in table.targets.iter().zip(TARGETS) {
                let of_key = if table.key == Key::Composite { "{tenant}/{id}" } else { "{id}" };
                let of_gcal = if *target == Target::Plain { "" } else { "/{gcal}" };
                write!(
                    toml,
                    "[[resources.t{n}.targets]]\nname = \"{name}\"\nkind = \"http\"\n\
                     url = \"@API@/t{n}/{name}/{of_key}{of_gcal}\"\ntimeout = \"2s\"\nallow_private = true\n\
                     breaker = {{ failure_ratio = 2.0 }}\ngone_limit = 1\n"
                )
                .unwrap();
                if *target == Target::Skips {
                    toml.push_str("skip_when_null = [\"gcal\"]\n");
                }
            }
            for (r, rule) in self.of_parent(n) {
                let link = if rule.json {
                    format!("json = {{ column = \"l{r}\", path = \"up.id\" }}")
                } else {
                    format!("column = \"l{r}\"")
                };
                let then = match rule.goes {
                    Goes::Along => "delete",
                    Goes::First => "request",
                    Goes::Cleared => "nullify",
                };
                write!(
                    toml,
                    "[[resources.t{n}.children]]\ntable = \"t{}\"\n{link}\nreferences = \"id\"\nthen = \"{then}\"\n",
                    rule.child
                )
                .unwrap();
                if table.key == Key::Composite {
                    toml.push_str("scope = [\"tenant\"]\n");
                }
                if rule.goes == Goes::Along && !self.tables[rule.child].targets.is_empty() {
                    toml.push_str("twin = \"goes_with_parent\"\n");
                }
            }
        }
        toml
    }
}
