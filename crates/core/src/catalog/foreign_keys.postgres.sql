-- read the foreign keys that reference a table
-- Also those that reference a part of the table, or a table of which it is a part: the rows are the same. What a partition
-- has of its parent is the same foreign key.
with recursive part (oid) as (
    select @table::text::regclass::oid
    union
    select i.inhrelid from pg_inherits i join part on part.oid = i.inhparent
), key as (
    select f.*, to_jsonb(f) as facts from pg_constraint f where f.contype = 'f' and f.confrelid in (select oid from part)
)
select
    n.nspname::text as schema,
    c.relname::text as name,
    f.confdeltype::text as on_delete,
    not coalesce((f.facts ->> 'conenforced')::boolean, true) as unenforced,
    coalesce((f.facts ->> 'conperiod')::boolean, false) as period,
    exists (
        with recursive part (oid) as (
            select f.oid union select c.oid from part join pg_constraint c on c.conparentid = part.oid
        )
        select 1 from part join pg_trigger t on t.tgconstraint = part.oid where t.tgenabled in ('D', 'R')
    ) as disabled,
    (
        select json_agg(a.attname order by k.place)
        from unnest(f.conkey) with ordinality k(number, place)
        join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number
    )::text as columns,
    (
        select json_agg(a.attname order by k.place)
        from unnest(f.confkey) with ordinality k(number, place)
        join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.number
    )::text as references,
    (
        select json_agg(format('operator(%I.%s)', s.nspname, o.oprname) order by k.place)
        from unnest(f.conpfeqop) with ordinality k(number, place)
        join pg_operator o on o.oid = k.number
        join pg_namespace s on s.oid = o.oprnamespace
    )::text as equals
from key f
join pg_class c on c.oid = f.conrelid
join pg_namespace n on n.oid = c.relnamespace
where not exists (select 1 from key p where p.oid = f.conparentid)
order by 1, 2, f.conname
