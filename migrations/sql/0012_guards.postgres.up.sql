-- What guards should be, so that one that is lost or changed is told from one that never was; and what they capture,
-- whatever the settings of the session are.

create table sexton_guard (
    name text primary key,
    resource text not null,
    table_name text,
    table_oid bigint,
    owner text,
    digest text,
    definition text,
    seen_at timestamptz not null default clock_timestamp()
);
comment on table sexton_guard is 'The guards that were installed. One that is here and not in the catalogue was lost.';
comment on column sexton_guard.name is 'Its name, as a trigger and as a function.';
comment on column sexton_guard.resource is 'The resource that it is for.';
comment on column sexton_guard.table_name is 'Qualified, quoted name of its table.';
comment on column sexton_guard.table_oid is 'That table, which keeps its oid when it is renamed.';
comment on column sexton_guard.owner is 'The role with whose rights it acts.';
comment on column sexton_guard.digest is 'SHA-256 of its function''s text; null if nobody has seen it yet.';
comment on column sexton_guard.definition is 'Its trigger as the catalogue prints it.';
comment on column sexton_guard.seen_at is 'When it was last found to be as it should be, or installed.';

-- What the last action on each says; their texts are not known.
insert into sexton_guard (name, resource)
select name, resource
from (
    select distinct on (t.name) t.name, a.action, coalesce(a.detail ->> 'resource', '') as resource
    from sexton_action a
    cross join lateral jsonb_array_elements_text(a.detail -> 'triggers') as t(name)
    where a.action in ('guard', 'remove_guard')
    order by t.name, a.id desc
) last
where action = 'guard';

-- After logical replication the sequence of the ids is behind the rows. That an id is taken must not keep anybody from a
-- restore, so what was done is told apart by its time, too. Going down leaves it so.
alter table sexton_action drop constraint sexton_action_pkey, add primary key (id, at);

alter table sexton_deletion add column follows jsonb;
comment on column sexton_deletion.follows is 'Written by a guard: by which values its row named the parents whose deletion, in the same transaction, is also its own.';

do $migration$
declare
    functions text := $functions$

-- Types whose text depends on settings (float8, bytea, interval, ranges, arrays, ...) go through this function.
create function @schema@.sexton_text(value anyelement) returns text
language sql stable parallel safe
set search_path = '' set TimeZone = 'UTC' set DateStyle = 'ISO, MDY' set IntervalStyle = 'postgres'
set bytea_output = 'hex' set extra_float_digits = 1
as $body$
    select pg_catalog.to_jsonb($1) operator(pg_catalog.#>>) '{}'
$body$;
comment on function @schema@.sexton_text is 'A value as text: the same text for the same value whatever the settings of the session are.';

$functions$;
begin
    execute replace(functions, '@schema@', (
        select relnamespace::regnamespace::text from pg_class where oid = 'sexton_resource'::regclass
    ));
end
$migration$;
