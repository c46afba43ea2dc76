-- What may still be chosen of the rows that may go once nothing references them: docs/unreferenced.md.

do $migration$
declare
    functions text := $functions$

create function @schema@.sexton_hidden_before(resource text) returns timestamptz
language plpgsql stable as $body$
declare
    found_resource @schema@.sexton_resource;
begin
    select * into found_resource from @schema@.sexton_resource where name = sexton_hidden_before.resource;
    if found_resource.definition #> '{unreferenced,hide_after_ms}' is null then
        raise exception using errcode = 'SX001',
            message = format('no rows of a resource "%s" are hidden', sexton_hidden_before.resource),
            hint = 'Such a resource is a [resources.NAME] of sexton.toml with "unreferenced", and known once "sexton migrate" was run with it.';
    end if;
    -- Not clock_timestamp(): a query sees one time from its beginning to its end.
    return statement_timestamp()
        - (found_resource.definition #>> '{unreferenced,hide_after_ms}')::bigint * interval '1 millisecond';
end
$body$;

comment on function @schema@.sexton_hidden_before is 'Rows of the resource that have been unreferenced since this time or longer may no longer be chosen. SX001 no such resource.';

$functions$;
begin
    execute replace(functions, '@schema@', (
        select relnamespace::regnamespace::text from pg_class where oid = 'sexton_resource'::regclass
    ));
end
$migration$;
