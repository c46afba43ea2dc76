-- list guards
select f.proname::text as name, coalesce(string_agg(t.tgrelid::regclass::text, ', '), '') as on_table
from pg_proc f
join pg_namespace n on n.oid = f.pronamespace and n.nspname = @schema
left join pg_trigger t on t.tgfoid = f.oid and not t.tgisinternal
where starts_with(f.proname, @prefix) and f.prorettype = 'trigger'::regtype
group by 1
order by 1
