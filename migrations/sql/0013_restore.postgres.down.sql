-- The functions of the release before, which run statements of format 1.

do $migration$
declare
    functions text := $functions$

-- The statements of a resource. With `made_from`, only if its definition is still that one.
create or replace function @schema@.sexton_statements(resource text, made_from jsonb default null) returns jsonb
language plpgsql stable as $body$
#variable_conflict use_column
declare
    found_resource @schema@.sexton_resource;
    why text;
begin
    select * into found_resource from @schema@.sexton_resource where name = sexton_statements.resource;
    if not found then
        raise exception using errcode = 'SX001',
            message = format('there is no resource "%s"', sexton_statements.resource),
            hint = 'A resource is named as in [resources.NAME] of sexton.toml, and known once "sexton migrate" was run with it.';
    end if;
    if found_resource.statements is null then
        why := 'are missing';
    elsif found_resource.statements -> 'format' is distinct from '1' then
        why := format('are those of release %s, which these functions do not understand', found_resource.statements ->> 'release');
    elsif found_resource.statements -> 'definition' is distinct from found_resource.definition
        or sexton_statements.made_from <> found_resource.definition
    then
        why := 'do not fit the definition of the resource';
    else
        return found_resource.statements;
    end if;
    raise exception using errcode = 'SX003',
        message = format('the statements for the resource "%s" %s', sexton_statements.resource, why),
        hint = 'Run "sexton migrate" of the release that the workers are of, with all resources in its sexton.toml and their tables in place.';
end
$body$;

-- The statements on the ledger alone.
create or replace function @schema@.sexton_statements_of_ledger() returns jsonb
language plpgsql stable as $body$
declare
    of_ledger jsonb;
begin
    select statements -> 'ledger' into of_ledger from @schema@.sexton_resource
    where statements -> 'format' = '1' order by migrated_at desc limit 1;
    if not found then
        raise exception using errcode = 'SX003',
            message = 'the statements for the ledger are missing',
            hint = 'Run "sexton migrate" of the release that the workers are of.';
    end if;
    return of_ledger;
end
$body$;

-- Says why a deletion was not in a state to be restored: `refusal` in restore/take_back.rs.
create or replace function @schema@.sexton_refuse_restore(id uuid, reason text default null) returns void
language plpgsql as $body$
#variable_conflict use_column
declare
    why text := sexton_refuse_restore.reason;
begin
    if why is null then
        select case when state = 'completed' then 'it is completed'
                when state = 'cancelled' then 'it was ' || cancelled_by || ' already'
                when called_at is not null then format('it is %s, and the first external call was made at %s', state, called_at)
                else 'it is ' || state end
        into why
        from (
            select state, called_at, null as cancelled_by from @schema@.sexton_deletion where id = sexton_refuse_restore.id
            union all
            select state, called_at, cancelled_by from @schema@.sexton_deletion_done where id = sexton_refuse_restore.id
        ) deletion;
    end if;
    if why is null then
        raise exception using errcode = 'SX001', message = format('there is no deletion %s', sexton_refuse_restore.id);
    end if;
    raise exception using errcode = 'SX002',
        message = format('deletion %s cannot be restored: %s', sexton_refuse_restore.id, why), detail = 'Nothing was restored.';
end
$body$;

-- `restore_all` in restore/take_back.rs: all or nothing. Those that were asked for come first.
create or replace function @schema@.sexton_restore_all(deletions uuid[], reason text, restored_by text)
returns setof @schema@.sexton_restored
language plpgsql as $body$
#variable_conflict use_column
declare
    ledger jsonb := @schema@.sexton_statements_of_ledger();
    statements jsonb;
    wanted uuid[] := deletions;
    unseen uuid[] := deletions;
    -- Parents before their children, as phase 1 locks them. The same request may have removed both.
    chosen uuid[] := '{}';
    children uuid[];
    one uuid;
    other uuid;
    place bigint;
    found_row record;
    restored jsonb[] := '{}';
    changed bigint;
begin
    while cardinality(unseen) > 0 loop
        one := unseen[cardinality(unseen)];
        unseen := unseen[:cardinality(unseen) - 1];
        chosen := chosen || one;
        execute 'select array_agg(child.id::uuid) from (' || (ledger ->> 'children_to_restore') || ') child' into children using one;
        select array_agg(child order by number) into children
        from unnest(children) with ordinality as found(child, number) where not child = any (wanted);
        unseen := unseen || children;
        wanted := wanted || children;
    end loop;
    if cardinality(deletions) = 1 then
        -- The only one that was asked for itself: the others are restored together with those that wait for them.
        for found_row in execute ledger ->> 'waiting_for' using deletions[1] loop
            if not found_row.id::uuid = any (wanted) then
                perform @schema@.sexton_refuse_restore(deletions[1],
                    format('deletion %s waits for it; restore that one, and this one is restored with it', found_row.id));
            end if;
        end loop;
    end if;
    foreach one in array chosen loop
        -- First the row and then the entry, in the order in which phase 1 locks them.
        select d.resource, d.key into found_row from @schema@.sexton_deletion d where d.id = one;
        if not found then
            perform @schema@.sexton_refuse_restore(one);
        end if;
        statements := @schema@.sexton_statements(found_row.resource);
        execute statements ->> 'lock' using found_row.key;
        execute ledger ->> 'restorable' into found_row using one;
        if found_row.resource is null then
            perform @schema@.sexton_refuse_restore(one);
        end if;
        execute ledger ->> 'finished_child' into other using one;
        if other is not null then
            perform @schema@.sexton_refuse_restore(one, format('the deletion %s of one of its children is completed', other));
        end if;
        execute statements ->> 'unmark' using one;
        get diagnostics changed = row_count;
        execute ledger ->> 'cancel' using jsonb_build_array(one), ledger ->> 'restored';
        restored := restored || jsonb_build_object(
            'id', one, 'resource', found_row.resource, 'key', found_row.key, 'row_restored', changed > 0);
        for found_row in
            select distinct resource from @schema@.sexton_child where deletion_id = one order by resource
        loop
            statements := @schema@.sexton_statements(found_row.resource);
            -- In a statement of its own, so that the next one sees what was committed while this one waited.
            execute statements ->> 'lock_children' using one;
            execute statements ->> 'unmark_children' using one;
        end loop;
        execute ledger ->> 'forget_waits' using jsonb_build_array(one);
        execute ledger ->> 'forget_marks' using jsonb_build_array(one);
    end loop;
    execute ledger ->> 'action' using
        to_jsonb(chosen), coalesce(restored_by, session_user::text), 'restore', sexton_restore_all.reason;
    return query
        select (value ->> 'id')::uuid, value ->> 'resource', value ->> 'key', (value ->> 'row_restored')::boolean
        from unnest(restored) with ordinality as all_restored(value, number)
        order by not (value ->> 'id')::uuid = any (deletions), number;
end
$body$;

$functions$;
begin
    -- The functions are where the tables are, wherever the search path points today.
    execute replace(functions, '@schema@', (
        select relnamespace::regnamespace::text from pg_class where oid = 'sexton_resource'::regclass
    ));
end
$migration$;
