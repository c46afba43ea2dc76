//! An application's tables, and the configuration that names them.

pub(crate) const POSTGRES: &str = r#"
create type status as enum ('Active', 'Deleted');
create table block (
    id bigint primary key, calendar_id text, gcal_id text, other_id text,
    deleted_at timestamptz, item_status status not null default 'Active', kind text
);
create table pair (tenant smallint, name text, gcal_id text, deleted_at timestamp, primary key (tenant, name));
create table thing (id uuid primary key, ref uuid, deleted_at timestamptz(3));
create table thing_text (id uuid primary key, deleted_at timestamptz);
create table note (name varchar(400) primary key, body text, deleted_at timestamptz);
create table flag (id integer primary key, removed boolean not null default false);
create table "We""ird T%" ("Id ""x" integer primary key, "Delet ed'At" timestamptz, "Ünï" text);
"#;

pub(crate) const SQLITE: &str = r#"
create table block (
    id integer primary key, calendar_id text, gcal_id text, other_id text,
    deleted_at timestamp_with_timezone_text, item_status text not null default 'Active', kind text
);
create table pair (tenant smallint, name text, gcal_id text, deleted_at text, primary key (tenant, name));
create table thing (id uuid_blob primary key, ref uuid_blob, deleted_at text);
create table thing_text (id uuid_text primary key, deleted_at text);
create table note (name varchar(400) primary key, body text, deleted_at text);
create table flag (id integer primary key, removed boolean not null default 0);
create table "We""ird T%" ("Id ""x" integer primary key, "Delet ed'At" text, "Ünï" text);
"#;

/// Everything but the database's URL.
pub(crate) const CONFIG: &str = r#"
[resources.block]
table = "block"
key = "id"
marker = { column = "deleted_at" }
marker_when = [
    { column = "kind", equals = "T", marker = { column = "item_status", value = "Deleted" }, then = "keep" },
]
[[resources.block.targets]]
name = "calendar"
kind = "http"
url = "https://calendar.example/{calendar_id}/{gcal_id}"
[[resources.block.targets]]
name = "other"
kind = "http"
url = "https://other.example/{other_id}"

[resources.pair]
table = "pair"
key = ["tenant", "name"]
marker = { column = "deleted_at" }
[[resources.pair.targets]]
name = "calendar"
kind = "http"
url = "https://calendar.example/{name}/{gcal_id}"

[resources.thing]
table = "thing"
key = "id"
marker = { column = "deleted_at" }
[[resources.thing.targets]]
name = "calendar"
kind = "http"
url = "https://calendar.example/{id}/{ref}"

[resources.thing_text]
table = "thing_text"
key = "id"
marker = { column = "deleted_at" }
grace = "1h"

[resources.note]
table = "note"
key = "name"
marker = { column = "deleted_at" }
[[resources.note.targets]]
name = "calendar"
kind = "http"
url = "https://calendar.example/{name}?q={body}"

[resources.flag]
table = "flag"
key = "id"
marker = { column = "removed", value = true }
grace = "1h"

[resources.weird]
table = 'We"ird T%'
key = 'Id "x'
marker = { column = "Delet ed'At" }
[[resources.weird.targets]]
name = "calendar"
kind = "http"
url = "https://calendar.example/{Ünï}"
"#;
