-- Restoring takes back all deletions at once: a large batch no longer takes the square of its size. A restore that would
-- leave a row marked is refused. The functions run statements of format 2.

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
    elsif found_resource.statements -> 'format' is distinct from '2' then
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
    where statements -> 'format' = '2' order by migrated_at desc limit 1;
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
    state_says text;
    of_row text;
begin
    select deletion.resource || ' ' || deletion.key,
        case when state = 'completed' then 'it is completed'
            when state = 'cancelled' then 'it was ' || cancelled_by || ' already'
            when called_at is not null then format('it is %s, and the first external call was made at %s', state, called_at)
            else 'it is ' || state end
    into of_row, state_says
    from (
        select resource, key, state, called_at, null as cancelled_by
        from @schema@.sexton_deletion where id = sexton_refuse_restore.id
        union all
        select resource, coalesce(key, key_hash), state, called_at, cancelled_by
        from @schema@.sexton_deletion_done where id = sexton_refuse_restore.id
    ) deletion;
    if not found then
        raise exception using errcode = 'SX001', message = format('there is no deletion %s', sexton_refuse_restore.id);
    end if;
    raise exception using errcode = 'SX002',
        message = format('deletion %s of %s cannot be restored: %s', sexton_refuse_restore.id, of_row,
            coalesce(sexton_refuse_restore.reason, state_says)),
        detail = 'Nothing was restored.';
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
    -- Deletions whose children are looked for next. Parents before their children, as phase 1 locks their rows.
    level uuid[] := deletions;
    locked uuid[];
    one uuid;
    waiting record;
    resource_name text;
    restorable jsonb;
    unmarked uuid[] := '{}';
begin
    loop
        for resource_name in
            select distinct d.resource from @schema@.sexton_deletion d where d.id = any (level) order by d.resource
        loop
            execute @schema@.sexton_statements(resource_name) ->> 'lock_rows' using to_jsonb(level);
        end loop;
        execute 'select array_agg(child.id::uuid) from (' || (ledger ->> 'children_to_restore') || ') child'
        into level using to_jsonb(level);
        select array_agg(distinct child) into level
        from unnest(level) child where child not in (select unnest(wanted));
        exit when level is null;
        wanted := wanted || level;
    end loop;
    if cardinality(deletions) = 1 then
        -- The only one that was asked for itself: the others are restored together with those that wait for them.
        for waiting in execute ledger ->> 'waiting_for' using deletions[1] loop
            if not waiting.id::uuid = any (wanted) then
                perform @schema@.sexton_refuse_restore(deletions[1],
                    format('deletion %s waits for it; restore that one, and this one is restored with it', waiting.id));
            end if;
        end loop;
    end if;
    execute 'select array_agg(entry.id::uuid), coalesce(jsonb_agg(to_jsonb(entry)), ''[]'') from ('
        || (ledger ->> 'restorable') || ') entry'
    into locked, restorable using to_jsonb(wanted);
    select id into one
    from unnest(wanted) with ordinality as every(id, number)
    where id not in (select unnest(coalesce(locked, '{}')))
    order by number limit 1;
    if found then
        perform @schema@.sexton_refuse_restore(one);
    end if;
    for waiting in execute ledger ->> 'finished_child' using to_jsonb(wanted) loop
        perform @schema@.sexton_refuse_restore(waiting.parent::uuid,
            format('the deletion %s of one of its children is completed', waiting.id));
    end loop;
    for resource_name in
        select distinct entry ->> 'resource' from jsonb_array_elements(restorable) entry order by 1
    loop
        statements := @schema@.sexton_statements(resource_name);
        for waiting in execute statements ->> 'unmark_rows' using to_jsonb(wanted) loop
            unmarked := array_append(unmarked, waiting.id::uuid);
        end loop;
    end loop;
    for resource_name in
        select distinct c.resource from @schema@.sexton_child c where c.deletion_id = any (wanted) order by c.resource
    loop
        statements := @schema@.sexton_statements(resource_name);
        -- In a statement of its own, so that the next one sees what was committed while this one waited.
        execute statements ->> 'lock_children' using to_jsonb(wanted);
        execute statements ->> 'unmark_children' using to_jsonb(wanted);
    end loop;
    for resource_name in
        select distinct entry ->> 'resource' from jsonb_array_elements(restorable) entry order by 1
    loop
        for waiting in execute @schema@.sexton_statements(resource_name) ->> 'still_marked' using to_jsonb(wanted) loop
            perform @schema@.sexton_refuse_restore(waiting.id::uuid, 'the row would stay removed, because it carried a '
                || 'marker before, somebody wrote another one, or another row takes it along; take the marker away, and '
                || 'restore once more');
        end loop;
    end loop;
    execute ledger ->> 'cancel' using to_jsonb(wanted), ledger ->> 'restored';
    execute ledger ->> 'forget_waits' using to_jsonb(wanted);
    execute ledger ->> 'forget_marks' using to_jsonb(wanted);
    execute ledger ->> 'action' using
        to_jsonb(wanted), coalesce(restored_by, session_user::text), 'restore', sexton_restore_all.reason;
    return query
        select (entry ->> 'id')::uuid, entry ->> 'resource', entry ->> 'key',
            (entry ->> 'id')::uuid in (select unnest(unmarked))
        from jsonb_array_elements(restorable) entry
        join unnest(wanted) with ordinality as every(id, number) on every.id = (entry ->> 'id')::uuid
        order by number;
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
