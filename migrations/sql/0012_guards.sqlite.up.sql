-- The guards that were installed. One that is here and not in the schema was lost.
create table sexton_guard (
    -- Its name.
    name text primary key,
    -- The resource that it is for.
    resource text not null,
    -- Quoted name of its table.
    table_name text,
    -- PostgreSQL only.
    table_oid integer,
    -- PostgreSQL only.
    owner text,
    -- SHA-256 of its text; null if nobody has seen it yet.
    digest text,
    -- PostgreSQL only.
    definition text,
    -- When it was last found to be as it should be, or installed.
    seen_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

-- What the last action on each says; their texts are not known.
insert into sexton_guard (name, resource)
select t.value, coalesce(json_extract(a.detail, '$.resource'), '')
from sexton_action a, json_each(a.detail, '$.triggers') t
where a.action = 'guard' and not exists (
    select 1 from sexton_action l, json_each(l.detail, '$.triggers') lt
    where l.id > a.id and l.action in ('guard', 'remove_guard') and lt.value = t.value
);

-- Written by a guard: by which values its row named the parents whose deletion, in the same transaction, is also its own.
alter table sexton_deletion add column follows text;
