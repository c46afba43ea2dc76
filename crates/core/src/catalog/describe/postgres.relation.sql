-- look a table up
select
    c.oid::bigint as oid,
    n.nspname::text as schema,
    c.relname::text as name,
    c.relkind::text as kind,
    row_security_active(c.oid) as row_security,
    exists (select 1 from pg_rewrite r where r.ev_class = c.oid and r.ev_type in ('2', '4')) as rewrite_rule,
    case when c.relispartition then pg_partition_root(c.oid)::regclass::text end as part_of,
    (
        select min(i.inhrelid::regclass::text) from pg_inherits i where i.inhparent = c.oid and c.relkind <> 'p'
    ) as inherited_by,
    (
        select min(i.inhparent::regclass::text) from pg_inherits i where i.inhrelid = c.oid and not c.relispartition
    ) as inherits,
    (
        select format('%I.%I', p.schema, f.proname)
        from jsonb_array_elements_text(@search_path::jsonb) with ordinality p(schema, place)
        join pg_namespace m on m.nspname = p.schema
        join pg_proc f on f.pronamespace = m.oid and f.proname = 'sexton_text' and f.proargtypes = '2283'::oidvector
        order by p.place
        limit 1
    ) as text_function
from jsonb_array_elements_text(@schemas::jsonb) with ordinality s(schema, place)
join pg_namespace n on n.nspname = s.schema
join pg_class c on c.relnamespace = n.oid and c.relname = @name
where c.relkind in ('r', 'p', 'v', 'm', 'f')
order by s.place
limit 1
