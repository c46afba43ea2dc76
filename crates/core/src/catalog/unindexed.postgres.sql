-- find foreign keys without an index
-- For each deleted row the database looks for those that reference it, and for those that reference what a cascade deletes.
with recursive deleted (oid) as (
    select given.value::regclass::oid from {texts:@tables} given
    union
    select f.conrelid from deleted join pg_constraint f on f.confrelid = deleted.oid
    where f.contype = 'f' and f.confdeltype = 'c'
)
select n.nspname::text as schema, c.relname::text as name,
    (
        select string_agg(quote_ident(a.attname), ', ' order by k.place)
        from unnest(f.conkey) with ordinality k(number, place)
        join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number
    ) as columns
from pg_constraint f
join pg_class c on c.oid = f.conrelid
join pg_namespace n on n.oid = c.relnamespace
where f.contype = 'f' and f.conparentid = 0 and f.confrelid in (select oid from deleted)
    and not exists (
        select 1
        from pg_index i
        where i.indrelid = f.conrelid and i.indisvalid and i.indkey[0] = any (f.conkey)
            and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) ~ '^\([^()]+ IS NOT NULL\)$')
    )
order by c.relpages desc, 1, 2, 3
limit 3
