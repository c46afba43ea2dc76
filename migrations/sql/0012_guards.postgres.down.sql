-- Guards of this release use what goes here, and would fail every delete of the application. Their triggers go with their
-- functions.
do $migration$
declare
    guard regprocedure;
begin
    for guard in
        select p.oid::regprocedure from pg_proc p join pg_class c on c.relnamespace = p.pronamespace
        where c.oid = 'sexton_deletion'::regclass and starts_with(p.proname, 'sexton_guard_') and p.prorettype = 'trigger'::regtype
    loop
        execute format('drop function %s cascade', guard);
    end loop;
end
$migration$;
drop function sexton_text;
alter table sexton_deletion drop column follows;
drop table sexton_guard;
