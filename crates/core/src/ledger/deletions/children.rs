//! Deletions that wait for others, and rows that were marked with their parent.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::finish::ids;
use crate::{
    db::{self, Db, Dialect, recordset},
    ids::DeletionId,
    ledger::Ledger,
    outcome::DeadKind,
    state::{Event, State},
};

/// The first of the two numbers of our advisory locks (PostgreSQL §13.3.5).
const LINKING: i32 = 0x5E87;
/// Into how many places ids are sorted that are linked at the same time: the server has room for only so many locks.
const PLACES: i32 = 256;

/// A deletion that waited and does so no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The deletion.
    pub id: DeletionId,
    /// Its resource.
    pub resource: String,
    /// Where it is now: pending, or dead because a child's deletion is.
    pub state: State,
}

/// Whether a deletion that waits, `d`, is to be moved on because one of its children's is dead.
pub(in crate::ledger) const HAS_DEAD_CHILD: &str = "exists (
    select 1 from {wait} w join {deletion} c on c.id = w.child_id
    where w.deletion_id = d.id and c.state in ({from:Retried}))";

/// Whether a deletion that waits, `d`, is to be moved on because its children are all finished.
pub(in crate::ledger) const HAS_NO_CHILD: &str =
    "not exists (select 1 from {wait} w join {deletion} c on c.id = w.child_id where w.deletion_id = d.id)";

/// Whether any deletion that waits is to be moved on.
pub(in crate::ledger) const ANY_TO_FOLLOW: &str = "exists (
    select 1 from {deletion} d where d.state in ({from:ChildrenFinished}) and ({has_dead_child} or {has_no_child}))";

impl Ledger {
    /// Lets deletions wait for others, within the caller's transaction. A pair that would make two deletions wait for
    /// each other, directly or not, is left out. Returns whether every pair is new or left out.
    ///
    /// * `fresh`: the second of each pair was just recorded, so that it waits for nobody yet.
    ///
    /// # Errors
    /// Whatever the database says; the caller rolls back.
    pub async fn wait_for(
        &self,
        transaction: &impl ConnectionTrait,
        pairs: &[(DeletionId, DeletionId)],
        fresh: bool,
    ) -> Result<(), db::Error> {
        if fresh {
            return self.link(transaction, pairs, true).await;
        }
        let pairs: Vec<_> = pairs.iter().filter(|(parent, child)| parent != child).copied().collect();
        if self.dialect == Dialect::Postgres && !pairs.is_empty() {
            let ids: Value =
                pairs.iter().flat_map(|(parent, child)| [parent, child]).map(ToString::to_string).collect();
            let statement = self.dialect.statement(self.lock_links_statement(), [ids.to_string().into()]);
            transaction.query_all_raw(statement).await?;
        }
        for pair in pairs {
            self.link(transaction, &[pair], false).await?;
        }
        Ok(())
    }

    async fn link(
        &self,
        transaction: &impl ConnectionTrait,
        pairs: &[(DeletionId, DeletionId)],
        fresh: bool,
    ) -> Result<(), db::Error> {
        let pairs: Value = pairs.iter().map(|(parent, child)| json!({ "parent": parent, "child": child })).collect();
        let statement = self.dialect.statement(self.link_statement(fresh), [pairs.to_string().into()]);
        transaction.execute_raw(statement).await.map(drop).map_err(Into::into)
    }

    /// `$1` is an array of the ids of deletions that are about to be linked: whoever lets the second of them wait for the
    /// first at this moment comes before or after us. Not by locks on the deletions: a caller's long transaction must not
    /// keep their workers from writing back or renewing (PostgreSQL).
    pub(crate) fn lock_links_statement(&self) -> String {
        format!(
            "select pg_advisory_xact_lock({LINKING}, place) from (
                select distinct abs(hashtext(value) % {PLACES}) as place from jsonb_array_elements_text($1::jsonb)
                order by place
             ) x"
        )
    }

    /// `$1` is an array of `{parent, child}`; only one, unless it is `fresh` and certain to close no circle.
    pub(crate) fn link_statement(&self, fresh: bool) -> String {
        let from = match self.dialect {
            Dialect::Postgres => recordset(1, "parent uuid, child uuid"),
            Dialect::Sqlite => {
                "(select value ->> 'parent' as parent, value ->> 'child' as child from json_each($1)) x".to_owned()
            }
        };
        let unless = if fresh {
            "where true".to_owned()
        } else {
            format!(
                "where not exists (
                    with recursive way (id) as (
                        select x.child union select w.child_id from {}
                    ) select 1 from way where way.id = x.parent
                 )",
                self.waits_of("way", "deletion_id", "child_id")
            )
        };
        format!(
            "insert into {} (deletion_id, child_id) select x.parent, x.child from {from} {unless} on conflict do nothing",
            self.wait
        )
    }

    /// Puts those of the deletions that are pending and wait for others in the state that says so. Returns them.
    ///
    /// # Errors
    /// Whatever the database says; the caller rolls back.
    pub async fn hold_back(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
    ) -> Result<std::collections::HashSet<DeletionId>, db::Error> {
        let wanted: Value = deletions.iter().map(ToString::to_string).collect();
        let statement = self.dialect.statement(self.hold_back_statement(), [wanted.to_string().into()]);
        ids(&transaction.query_all_raw(statement).await?)
    }

    /// `$1` is an array of ids.
    pub(crate) fn hold_back_statement(&self) -> String {
        let d = self.dialect;
        format!(
            "update {} as d set state = {} where d.id {} and d.state = '{}'
                and exists (select 1 from {} w where w.deletion_id = d.id) returning {} as id",
            self.deletion,
            Event::ChildrenFirst.sql_to(),
            d.any_of(1, "uuid"),
            State::Pending,
            self.wait,
            d.cast(if d == Dialect::Postgres { "d.id" } else { "id" }, "text"),
        )
    }

    /// The children's deletions that the same request made and that the deletion waits for.
    pub(crate) async fn children_to_restore(
        &self,
        transaction: &impl ConnectionTrait,
        deletion: DeletionId,
    ) -> Result<Vec<DeletionId>, db::Error> {
        self.ids_of(transaction, self.children_to_restore_statement(), deletion).await
    }

    /// `$1` is the deletion.
    pub(crate) fn children_to_restore_statement(&self) -> String {
        let d = self.dialect;
        format!(
            "select {} as id from {table} p join {} w on w.deletion_id = p.id
             join {table} c on c.id = w.child_id and c.batch_id = p.batch_id where p.id = {} order by c.id desc",
            d.cast("c.id", "text"),
            self.wait,
            d.param(1, "uuid"),
            table = self.deletion,
        )
    }

    /// The deletions that wait for this one, directly or not; the direct ones first.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn waiting_for(
        &self,
        conn: &impl ConnectionTrait,
        child: DeletionId,
    ) -> Result<Vec<DeletionId>, db::Error> {
        self.ids_of(conn, self.waiting_for_statement(), child).await
    }

    /// `$1` is the deletion.
    pub(crate) fn waiting_for_statement(&self) -> String {
        let d = self.dialect;
        format!(
            "with recursive up (id, steps) as (
                select w.deletion_id, 1 from {wait} w where w.child_id = {}
                union
                select w.deletion_id, up.steps + 1 from {further}
             )
             select {} as id from up join {} p on p.id = up.id group by p.id order by min(up.steps), p.id",
            d.param(1, "uuid"),
            d.cast("p.id", "text"),
            self.deletion,
            wait = self.wait,
            further = self.waits_of("up", "child_id", "deletion_id"),
        )
    }

    /// `from`'s rows with those of the waits whose `by` is their id, as `w`; looked up by index for each row, also by a
    /// planner that knows nothing of the table.
    fn waits_of(&self, from: &str, by: &str, wanted: &str) -> String {
        let wait = &self.wait;
        match self.dialect {
            Dialect::Postgres => format!(
                "{from} cross join lateral (select o.{wanted} from {wait} o where o.{by} = {from}.id offset 0) w"
            ),
            Dialect::Sqlite => format!("{from} join {wait} w on w.{by} = {from}.id"),
        }
    }

    /// A child's deletion that the same request made and that is completed.
    pub(crate) async fn finished_child(
        &self,
        transaction: &impl ConnectionTrait,
        deletion: DeletionId,
    ) -> Result<Option<DeletionId>, db::Error> {
        Ok(self.ids_of(transaction, self.finished_child_statement(), deletion).await?.into_iter().next())
    }

    /// `$1` is the deletion.
    pub(crate) fn finished_child_statement(&self) -> String {
        let d = self.dialect;
        format!(
            "select {} as id from {} p join {} c on c.batch_id = p.batch_id and c.parent_id = p.id
             where p.id = {} and c.state = {} limit 1",
            d.cast("c.id", "text"),
            self.deletion,
            self.done,
            d.param(1, "uuid"),
            Event::Finished.sql_to(),
        )
    }

    async fn ids_of(
        &self,
        conn: &impl ConnectionTrait,
        sql: String,
        of: DeletionId,
    ) -> Result<Vec<DeletionId>, db::Error> {
        let rows = conn.query_all_raw(self.dialect.statement(sql, [of.to_string().into()])).await?;
        let id = |row: &sea_orm::QueryResult| {
            row.try_get::<String>("", "id")?.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))
        };
        rows.iter().map(id).collect()
    }

    /// Whether a deletion that waits, `d`, is to be moved on: because of a dead child, and because none is left.
    fn followable(&self) -> (String, String) {
        let of_child = |condition: &str| {
            format!(
                "exists (select 1 from {} w join {} c on c.id = w.child_id where w.deletion_id = d.id {condition})",
                self.wait, self.deletion
            )
        };
        (of_child(&format!("and c.state in ({})", Event::Retried.sql_from())), format!("not {}", of_child("")))
    }

    /// Moves on what waits: deletions whose children are all finished are due, and those of which a child's deletion is
    /// dead are dead as well. Safe at any time and in several processes at once; at most `limit` at a time.
    ///
    /// * `near`: only these deletions and those that wait for them; none: all, which costs the more the more of them wait.
    ///
    /// # Errors
    /// Whatever the database says; nothing changed then.
    pub async fn follow_children(
        &self,
        db: &Db,
        near: Option<&[DeletionId]>,
        limit: u32,
    ) -> Result<Vec<Followed>, db::Error> {
        let d = self.dialect;
        let among = near.map_or_else(|| "$2 = ''".to_owned(), |_| self.near(2));
        let ids: Value = near.unwrap_or_default().iter().map(ToString::to_string).collect();
        let ids = near.map_or_else(String::new, |_| ids.to_string());
        let (dead, free) = self.followable();
        let error = format!(
            "(select 'the deletion of its child ' || c.resource || ' is dead: ' || c.id from {} w
              join {} c on c.id = w.child_id where w.deletion_id = d.id and c.dead_kind is not null limit 1)",
            self.wait, self.deletion
        );
        let sql = format!(
            "with ready as materialized (
                select d.id from {table} d where d.state in ({waiting}) and {among} and ({dead} or {free})
                order by d.run_at limit $1 {lock}
             )
             update {table} as d set
                state = case when {dead} then {died} else {pending} end,
                dead_kind = case when {dead} then '{kind}' end,
                dead_at = case when {dead} then {now} end,
                last_error_kind = case when {dead} then '{kind}' else last_error_kind end,
                last_error = case when {dead} then {error} else last_error end
             where d.id in (select ready.id from ready) and d.state in ({waiting})
             returning {id} as id, resource, state",
            table = self.deletion,
            waiting = Event::ChildrenFinished.sql_from(),
            died = Event::ChildDied.sql_to(),
            pending = Event::ChildrenFinished.sql_to(),
            kind = DeadKind::ChildDead,
            now = d.now(),
            lock = d.skip_locked("d"),
            id = d.cast(if d == Dialect::Postgres { "d.id" } else { "id" }, "text"),
        );
        let rows = db.conn.query_all_raw(d.statement(sql, [i64::from(limit).into(), ids.into()])).await?;
        let followed = rows.iter().map(|row| {
            Ok(Followed {
                id: row
                    .try_get::<String>("", "id")?
                    .parse()
                    .map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))?,
                resource: row.try_get("", "resource")?,
                state: row
                    .try_get::<String>("", "state")?
                    .parse()
                    .map_err(|e: crate::state::UnknownState| db::Error::unreadable(e.to_string()))?,
            })
        });
        followed.collect()
    }

    /// Whether `d` is one of the deletions in `$n` or waits for one of them.
    fn near(&self, n: usize) -> String {
        let (d, wait) = (self.dialect, &self.wait);
        let parents = format!("select w.deletion_id from {wait} w where w.child_id {}", d.any_of(n, "uuid"));
        let itself = format!("select {} from {} x", d.cast("x.value", "uuid"), d.json_texts(n));
        match d {
            Dialect::Postgres => format!("d.id = any (array({parents} union all {itself}))"),
            Dialect::Sqlite => format!("d.id in ({parents} union all {itself})"),
        }
    }

    /// Forgets whom these deletions waited for and, unless they stay marked, which rows were marked with theirs.
    ///
    /// # Errors
    /// Whatever the database says; the caller rolls back.
    pub async fn forget_children(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
        marks: bool,
    ) -> Result<(), db::Error> {
        let wanted: Value = deletions.iter().map(ToString::to_string).collect();
        for sql in &self.forget_statements()[..if marks { 2 } else { 1 }] {
            transaction.execute_raw(self.dialect.statement(sql, [wanted.to_string().into()])).await?;
        }
        Ok(())
    }

    /// `$1` is an array of ids: for whom they waited, and which rows were marked with theirs.
    pub(crate) fn forget_statements(&self) -> [String; 2] {
        let of = |table: &str| format!("delete from {table} where deletion_id {}", self.dialect.any_of(1, "uuid"));
        [of(&self.wait), of(&self.child)]
    }

    /// Hands the marks of children over to the deletion that takes the place of a superseded one (SQLite; on PostgreSQL
    /// phase 1 is one statement).
    pub(crate) async fn move_children(
        &self,
        transaction: &impl ConnectionTrait,
        from: DeletionId,
        to: DeletionId,
    ) -> Result<(), db::Error> {
        let sql = format!("update {} set deletion_id = $2 where deletion_id = $1", self.child);
        let values = [from.to_string().into(), to.to_string().into()];
        transaction.execute_raw(self.dialect.statement(sql, values)).await?;
        self.forget_children(transaction, &[from], false).await
    }
}
