//! An application's tables, and `psql` in its place.

use sexton_tests::{Output, clients};

use crate::rig::{Rig, Server};

pub(super) const TABLES: &str = r#"
    create type mood as enum ('Active', 'Deleted');
    create table block (id bigint primary key, calendar_id text, gcal_id text, kind text,
        item_status mood not null default 'Active', deleted_at timestamptz, original_id bigint, event jsonb);
    create index block_original on block (original_id);
    create index block_event on block ((event ->> 'recurringEventId'));
    create table pair (tenant smallint, name text, gcal_id text, deleted_at timestamp, primary key (tenant, name));
    create table thing (id uuid primary key, ref uuid, deleted_at timestamptz(3));
    create table note (name varchar(400) primary key, deleted_at timestamptz);
    create table album (id bigint primary key, buddy bigint, deleted_at timestamptz);
    create table photo (id bigint primary key, album_id bigint references album (id), deleted_at timestamptz);
    create table print (id bigint primary key, photo_id bigint references photo (id), deleted_at timestamptz);
    insert into block (id, calendar_id, gcal_id, kind, original_id, event) values (1, 'c', 'g1', null, null, null),
        (2, 'c', 'g2', null, 1, null), (3, 'c', 'g3', 'T', 2, null),
        (4, 'c', 'g4', null, null, '{"recurringEventId": "g1"}'), (5, 'd', 'g5', null, null, '{"recurringEventId": "g1"}'),
        (6, 'c', 'g6', 'T', null, null), (7, 'c', null, null, 7, null);
    insert into pair values (1, 'it''s "two"', 'g', null), (1, 'other', 'g', null);
    insert into thing values ('01939d1c-aaaa-7000-8000-000000000000', null, null);
    insert into note values ('plain'), ('it''s \ "quoted"''; drop table note; --'), ('ünï 日本 $1 %I');
    insert into album (id, buddy) values (1, 3), (2, null), (3, 1);
    insert into photo (id, album_id) values (11, 1), (12, 1), (21, 2), (31, 3);
    insert into print (id, photo_id) values (111, 11);"#;

pub(super) const RESOURCES: &str = r#"
[resources.block]
table = "block"
key = "id"
marker = { column = "deleted_at" }
marker_when = [
    { column = "kind", equals = "T", marker = { column = "item_status", value = "Deleted" }, then = "keep" },
]
targets = [
    { name = "calendar", kind = "http", url = "@API@/{calendar_id}/{gcal_id}", skip_when_null = ["gcal_id"], timeout = "2s", allow_private = true },
    { name = "mail", kind = "http", url = "@API@/mail/{id}", timeout = "2s", allow_private = true },
]
[[resources.block.children]]
table = "block"
column = "original_id"
references = "id"
then = "delete"
twin = "goes_with_parent"
[[resources.block.children]]
table = "block"
json = { column = "event", path = "recurringEventId" }
references = "gcal_id"
scope = ["calendar_id"]
then = "delete"
twin = "goes_with_parent"

[resources.pair]
table = "pair"
key = ["tenant", "name"]
marker = { column = "deleted_at" }
targets = [{ name = "calendar", kind = "http", url = "@API@/pair/{gcal_id}", timeout = "2s", allow_private = true }]

[resources.thing]
table = "thing"
key = "id"
marker = { column = "deleted_at" }
grace = "1h"
targets = [{ name = "calendar", kind = "http", url = "@API@/things/{id}", timeout = "2s", allow_private = true }]

[resources.note]
table = "note"
key = "name"
marker = { column = "deleted_at" }

[resources.album]
table = "album"
key = "id"
marker = { column = "deleted_at" }
targets = [{ name = "store", kind = "http", url = "@API@/albums/{id}", timeout = "2s", allow_private = true }]
[[resources.album.children]]
table = "photo"
column = "album_id"
references = "id"
then = "request"
[[resources.album.children]]
table = "album"
column = "buddy"
references = "id"
then = "request"

[resources.photo]
table = "photo"
key = "id"
marker = { column = "deleted_at" }
targets = [{ name = "store", kind = "http", url = "@API@/photos/{id}", timeout = "2s", allow_private = true }]
[[resources.photo.children]]
table = "print"
column = "photo_id"
references = "id"
then = "request"

[resources.print]
table = "print"
key = "id"
marker = { column = "deleted_at" }
targets = [{ name = "store", kind = "http", url = "@API@/prints/{id}", timeout = "2s", allow_private = true }]
"#;

/// The tables of all that is recorded, and of the application.
const WRITTEN: [&str; 12] = [
    "sexton_deletion",
    "sexton_deletion_done",
    "sexton_child",
    "sexton_wait",
    "sexton_action",
    "block",
    "pair",
    "thing",
    "note",
    "album",
    "photo",
    "print",
];

pub(super) async fn rig() -> Rig {
    Rig::with(Server::postgres().await, TABLES, RESOURCES).await
}

impl Rig {
    /// Runs a script in `psql`.
    pub(super) async fn psql(&self, script: &str) -> Output {
        clients::psql(self.server.url(), script).await
    }

    /// The error of a script that fails: `SQLSTATE: message`, detail and hint.
    pub(super) async fn refused(&self, script: &str) -> String {
        let output = self.psql(script).await.expect_code(3);
        output.stderr.split_once("ERROR:  ").unwrap_or_else(|| panic!("{}", output.stderr)).1.to_owned()
    }

    /// Requests a deletion by SQL and returns its id.
    pub(super) async fn soft_remove(&self, resource: &str, key: &str) -> String {
        let output = self.psql(&format!("select sexton_soft_remove({}, {})", text(resource), text(key))).await;
        output.expect_code(0).stdout.trim().to_owned()
    }

    /// Every row that was written, except for what must differ: times, and ids, which are named after their rows.
    pub(super) async fn written(&self) -> Vec<String> {
        let rows = WRITTEN.map(|table| {
            let identity = if table == "sexton_action" { "- 'id'" } else { "" };
            format!("select '{table} ' || (to_jsonb(t) {identity})::text as line from {table} t")
        });
        let time = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*([+-]\d\d(:\d\d)?|Z)?";
        let lines = self
            .rows(&format!("select regexp_replace(line, '{time}', 'TIME', 'g') from ({}) t", rows.join(" union all ")))
            .await;
        let delays = "select 'due after ' || round(extract(epoch from run_at - requested_at) / 60) || ' minutes: '
            || resource || '/' || key from sexton_deletion";
        let lines = [lines, self.rows(delays).await].concat();
        let ids = self
            .rows(
                "select id, resource || '/' || key || ' ' || state from sexton_deletion
                 union all select id, resource || '/' || key || ' ' || state from sexton_deletion_done
                 union all select distinct batch_id, 'batch of ' || requested_by from sexton_deletion
                 union all select distinct batch_id, 'batch of ' || requested_by from sexton_deletion_done",
            )
            .await;
        let ids: Vec<_> = ids.iter().map(|row| row.split_once('|').unwrap()).collect();
        let named = |line: String| ids.iter().fold(line, |line, (id, name)| line.replace(id, name));
        let mut lines: Vec<_> = lines.into_iter().map(named).collect();
        lines.sort();
        lines
    }
}

/// A text as an SQL literal.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
