-- see how a guard stands
select f.prosrc = @source as same, f.prosecdef as definer, t.tgenabled::text as enabled
from pg_proc f
join pg_namespace n on n.oid = f.pronamespace and n.nspname = @schema
left join pg_trigger t on t.tgfoid = f.oid and t.tgname = @name and t.tgrelid = @table::text::regclass
where f.proname = @name and f.pronargs = 0
