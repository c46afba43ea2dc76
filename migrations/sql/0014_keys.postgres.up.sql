-- Keys as applications have them: without these, `sexton_soft_remove('block', 42)` finds no function of that name and types.
-- Where a driver sends no type (a literal, an untyped parameter), PostgreSQL prefers text (section 10.3).

do $migration$
declare
    functions text := $functions$

create function @schema@.sexton_soft_remove(
    resource text, key @type@, reason text default null, requested_by text default session_user,
    after interval default '0', batch uuid default null, trace_context text default null
) returns uuid
language sql as $body$
    select @schema@.sexton_soft_remove($1, $2::text, $3, $4, $5, $6, $7)
$body$;

create function @schema@.sexton_restore_row(
    resource text, key @type@, reason text default null, by text default session_user
) returns setof @schema@.sexton_restored
language sql as $body$
    select * from @schema@.sexton_restore_row($1, $2::text, $3, $4)
$body$;

comment on function @schema@.sexton_soft_remove(text, @type@, text, text, interval, uuid, text) is 'The same for a key that is a @type@.';
comment on function @schema@.sexton_restore_row(text, @type@, text, text) is 'The same for a key that is a @type@.';

$functions$;
    schema text := (select relnamespace::regnamespace::text from pg_class where oid = 'sexton_resource'::regclass);
    type text;
begin
    foreach type in array array['bigint', 'uuid'] loop
        execute replace(replace(functions, '@schema@', schema), '@type@', type);
    end loop;
end
$migration$;
