-- Phase 1 and restoring as SQL functions, for applications in any language: docs/sql.md.
--
-- What they run are the statements of the Rust producer, which `sexton migrate` writes into sexton_resource.statements
-- (crates/core/src/sql_functions.rs); here is only the order in which they are run.
-- They act with the rights of their caller. They have no search path of their own, because an application's triggers run
-- inside them and may need the caller's; so every name is qualified, with the schema of sexton_resource for @schema@.

alter table sexton_resource add column statements jsonb;
comment on column sexton_resource.statements is 'What the SQL functions run; written with the definition by `sexton migrate`, and refused if it was made from another one.';

do $migration$
declare
    functions text := $functions$

create type @schema@.sexton_restored as (id uuid, resource text, key text, row_restored boolean);
comment on type @schema@.sexton_restored is 'A deletion that was taken back, and whether its row is live again; not if it is gone, or carries another marker.';

-- RFC 9562 section 5.7, with the clock's microseconds in the bits after the version (section 6.2, method 3): ids made one after another
-- by one connection sort so.
create function @schema@.sexton_uuidv7() returns uuid
language plpgsql as $body$
declare
    micros bigint := extract(epoch from clock_timestamp()) * 1000000;
begin
    return encode(
        substring(int8send(micros / 1000) from 3)
            || substring(int4send((28672 + micros % 1000 * 4096 / 1000)::integer) from 3)
            || substring(uuid_send(gen_random_uuid()) from 9),
        'hex')::uuid;
end
$body$;

-- The statements of a resource. With `made_from`, only if its definition is still that one.
create function @schema@.sexton_statements(resource text, made_from jsonb default null) returns jsonb
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
create function @schema@.sexton_statements_of_ledger() returns jsonb
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

-- A key's parts as statements read them, {"k0": ...}. The text of a composite key is a JSON array.
create function @schema@.sexton_key_parts(columns integer, key text) returns jsonb
language plpgsql immutable as $body$
begin
    if columns = 1 then
        return jsonb_build_object('k0', sexton_key_parts.key);
    end if;
    return (
        select jsonb_object_agg('k' || part.place - 1, part.value #>> '{}')
        from jsonb_array_elements(sexton_key_parts.key::jsonb) with ordinality part(value, place)
        where jsonb_typeof(part.value) in ('string', 'number')
        having count(*) = sexton_key_parts.columns
            and count(*) = jsonb_array_length(sexton_key_parts.key::jsonb)
    );
end
$body$;

-- A key as people write it: its parts, and the text that the ledger has for it.
create function @schema@.sexton_key(statements jsonb, key text, out parts jsonb, out canonical text)
language plpgsql stable as $body$
declare
    why text;
begin
    parts := @schema@.sexton_key_parts(jsonb_array_length(statements #> '{key,columns}'), sexton_key.key);
    if sexton_key.key is not null and parts is not null then
        execute statements #>> '{key,statement}' into canonical using jsonb_build_array(parts);
        return;
    end if;
    raise data_exception using message = 'it needs a value for each column';
exception when data_exception then
    get stacked diagnostics why = message_text;
    raise exception using errcode = 'SX004',
        message = format('%s is not a key of the resource "%s"', coalesce(quote_literal(sexton_key.key), 'null'), statements ->> 'resource'),
        detail = why,
        hint = format('Its key columns are %s, of the types %s; the key of several columns is a JSON array of strings and numbers in this order.',
            statements #>> '{key,columns}', statements #>> '{key,types}');
end
$body$;

-- Marks rows and records their deletions: `record` in soft_remove/record.
create function @schema@.sexton_record(statements jsonb, wanted jsonb, delay_ms bigint, request jsonb)
returns table (id text, key text, state text, fence bigint, due boolean, links text, marker_rule smallint)
language plpgsql as $body$
begin
    return query execute statements ->> 'record' using
        wanted, statements ->> 'resource', greatest(delay_ms, (statements ->> 'grace_ms')::bigint),
        request ->> 'batch', statements -> 'targets', request ->> 'by', request ->> 'reason',
        request ->> 'trace_context', statements -> 'columns';
end
$body$;

-- Removes the children of the row of a deletion, to any depth: `remove_below` in soft_remove/remove_children.rs. `root` has the
-- deletion as `n`, resource, key and the columns by which children name it as `r`, `k` and `v`. Returns whether the
-- deletion waits for others.
create function @schema@.sexton_remove_below(root jsonb, delay_ms bigint, request jsonb) returns boolean
language plpgsql as $body$
#variable_conflict use_column
declare
    ledger jsonb := @schema@.sexton_statements_of_ledger();
    frontier jsonb[] := array[root];
    below jsonb[];
    -- Deletions whose children were looked for, or are about to be, and for how many milliseconds each is restorable.
    delays jsonb := jsonb_build_object(root ->> 'n', delay_ms);
    waiting text[] := '{}';
    -- Rows that were found for a deletion: what goes round in a circle ends there.
    seen_rows text[] := array[concat_ws(E'\x01', root ->> 'n', root ->> 'r', root ->> 'k')];
    row_name text;
    statements jsonb;
    of_child jsonb;
    parents jsonb;
    rule jsonb;
    children jsonb;
    wanted jsonb;
    recorded jsonb;
    pairs jsonb;
    pair jsonb;
    child_delay_ms bigint;
    member record;
    marked record;
    held record;
    is_held boolean := false;
begin
    while cardinality(frontier) > 0 loop
        below := '{}';
        for member in
            select one ->> 'r' as resource, jsonb_agg(one) as parents from unnest(frontier) one group by 1 order by 1
        loop
            parents := member.parents;
            statements := @schema@.sexton_statements(member.resource);
            for rule in select value from jsonb_array_elements(statements -> 'children') loop
                of_child := @schema@.sexton_statements(rule ->> 'resource', rule -> 'definition');
                if rule ->> 'then' = 'delete' then
                    for marked in execute rule ->> 'statement' using parents loop
                        row_name := concat_ws(E'\x01', marked.n, rule ->> 'resource', marked.key);
                        if not row_name = any (seen_rows) then
                            seen_rows := seen_rows || row_name;
                            below := below || jsonb_build_object(
                                'n', marked.n, 'r', rule -> 'resource', 'k', marked.key, 'v', marked.links::jsonb);
                        end if;
                    end loop;
                    continue;
                end if;

                -- Children with deletions of their own, for which those of their parents wait.
                execute 'select coalesce(jsonb_agg(to_jsonb(found)), ''[]'') from (' || (rule ->> 'statement') || ') found'
                    into children using parents;
                select jsonb_agg(
                        jsonb_build_object('id', @schema@.sexton_uuidv7(), 'parent', first.label)
                            || @schema@.sexton_key_parts(jsonb_array_length(of_child #> '{key,columns}'), first.key)),
                    max((delays ->> first.label)::bigint)
                into wanted, child_delay_ms
                from (
                    select distinct on (one ->> 'key') one ->> 'key' as key, one ->> 'label' as label
                    from jsonb_array_elements(children) with ordinality found(one, place)
                    order by one ->> 'key', place
                ) first;
                if wanted is null then
                    continue;
                end if;
                -- Nobody calls for a child while its parent, or that one's, can still be restored.
                child_delay_ms := greatest(child_delay_ms, (of_child ->> 'grace_ms')::bigint);
                select coalesce(jsonb_agg(to_jsonb(one)), '[]') into recorded
                from @schema@.sexton_record(of_child, wanted, child_delay_ms, request) one;

                -- Only what waits for nobody yet is certain to close no circle.
                select coalesce(jsonb_agg(jsonb_build_object(
                        'parent', found ->> 'label', 'child', one ->> 'id',
                        'fresh', new_ids.ids ? (one ->> 'id') and not delays ? (one ->> 'id')) order by place), '[]')
                into pairs
                from jsonb_array_elements(children) with ordinality c(found, place)
                    join jsonb_array_elements(recorded) r(one) on one ->> 'key' = found ->> 'key'
                    cross join (select jsonb_object_agg(id, true) as ids
                        from jsonb_to_recordset(wanted) as w(id text)) new_ids;
                select coalesce(jsonb_agg(value), '[]') into wanted from jsonb_array_elements(pairs) where (value ->> 'fresh')::boolean;
                execute ledger ->> 'link_fresh' using wanted;
                select jsonb_agg(id) into wanted
                from jsonb_array_elements(pairs), unnest(array[value ->> 'parent', value ->> 'child']) id
                where not (value ->> 'fresh')::boolean and value -> 'parent' <> value -> 'child';
                if wanted is not null then
                    execute ledger ->> 'lock_links' using wanted;
                end if;
                for pair in
                    select value from jsonb_array_elements(pairs)
                    where not (value ->> 'fresh')::boolean and value -> 'parent' <> value -> 'child'
                loop
                    execute ledger ->> 'link_known' using jsonb_build_array(pair);
                end loop;
                waiting := waiting || array(select distinct value ->> 'parent' from jsonb_array_elements(pairs));

                below := below || array(
                    select jsonb_build_object('n', one ->> 'id', 'r', rule -> 'resource', 'k', one ->> 'key', 'v', (one ->> 'links')::jsonb)
                    from jsonb_array_elements(recorded) one
                    where not delays ? (one ->> 'id') and one ->> 'state' <> 'running'
                );
                delays := delays || (
                    select coalesce(jsonb_object_agg(one ->> 'id', child_delay_ms), '{}') from jsonb_array_elements(recorded) one
                );
            end loop;
        end loop;
        frontier := below;
    end loop;
    for held in execute ledger ->> 'hold_back' using to_jsonb(waiting) loop
        is_held := is_held or held.id = root ->> 'n';
    end loop;
    return is_held;
end
$body$;

-- `soft_remove` in soft_remove/remove.rs, for one row.
create function @schema@.sexton_soft_remove(
    resource text, key text, reason text default null, requested_by text default session_user,
    after interval default '0', batch uuid default null, trace_context text default null
) returns uuid
language plpgsql set standard_conforming_strings = on as $body$
#variable_conflict use_column
declare
    statements jsonb := @schema@.sexton_statements(sexton_soft_remove.resource);
    ledger jsonb := @schema@.sexton_statements_of_ledger();
    wanted jsonb := (@schema@.sexton_key(statements, sexton_soft_remove.key)).parts;
    -- A hundred years are enough: the database has to be able to add it to a time.
    delay_ms bigint := greatest((statements ->> 'grace_ms')::bigint,
        least(extract(epoch from coalesce(sexton_soft_remove.after, '0')) * 1000, 3153600000000)::bigint);
    id uuid := @schema@.sexton_uuidv7();
    request jsonb := jsonb_build_object(
        'batch', coalesce(sexton_soft_remove.batch, @schema@.sexton_uuidv7()),
        'by', coalesce(sexton_soft_remove.requested_by, session_user::text),
        'reason', sexton_soft_remove.reason, 'trace_context', sexton_soft_remove.trace_context);
    recorded record;
    gone text;
begin
    select * into recorded from @schema@.sexton_record(
        statements, jsonb_build_array(wanted || jsonb_build_object('id', id, 'parent', null)), delay_ms, request);
    if not found then
        raise exception using errcode = 'SX001',
            message = format('%s has no row with the key %s', sexton_soft_remove.resource, quote_literal(sexton_soft_remove.key)),
            detail = 'Nothing was removed.';
    end if;
    if delay_ms = 0 and recorded.id = id::text and recorded.state = 'pending'
        and statements #> '{at_once,rules}' @> to_jsonb(recorded.marker_rule)
    then
        -- Nothing to call and no grace: the row goes here and now.
        execute statements #>> '{at_once,statement}' into gone using jsonb_build_array(wanted);
        if gone is not null then
            execute ledger ->> 'complete_at_once' using jsonb_build_array(id), ledger ->> 'deleted';
            return id;
        end if;
    end if;
    if recorded.state in ('pending', 'waiting') and jsonb_array_length(statements -> 'children') > 0 then
        if @schema@.sexton_remove_below(
            jsonb_build_object('n', recorded.id, 'r', statements -> 'resource', 'k', recorded.key, 'v', recorded.links::jsonb),
            delay_ms, request)
        then
            recorded.state := 'waiting';
        end if;
    end if;
    if recorded.due or recorded.state = 'waiting' then
        perform pg_notify(ledger ->> 'channel', '');
    end if;
    return recorded.id::uuid;
end
$body$;

-- Says why a deletion was not in a state to be restored: `refusal` in restore/take_back.rs.
create function @schema@.sexton_refuse_restore(id uuid, reason text default null) returns void
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
create function @schema@.sexton_restore_all(deletions uuid[], reason text, restored_by text)
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

create function @schema@.sexton_restore(id uuid, reason text default null, by text default session_user)
returns setof @schema@.sexton_restored
language sql set standard_conforming_strings = on as $body$
    select * from @schema@.sexton_restore_all(array[$1], $2, $3)
$body$;

create function @schema@.sexton_restore_row(resource text, key text, reason text default null, by text default session_user)
returns setof @schema@.sexton_restored
language plpgsql set standard_conforming_strings = on as $body$
declare
    statements jsonb := @schema@.sexton_statements($1);
    canonical text := (@schema@.sexton_key(statements, $2)).canonical;
    found_id uuid;
begin
    execute statements #>> '{ledger,of_row}' into found_id using $1, canonical;
    if found_id is null then
        raise exception using errcode = 'SX001',
            message = format('%s has no deletion of the row with the key %s', $1, quote_literal($2));
    end if;
    return query select * from @schema@.sexton_restore_all(array[found_id], $3, $4);
end
$body$;

create function @schema@.sexton_restore_batch(batch uuid, reason text default null, by text default session_user)
returns setof @schema@.sexton_restored
language plpgsql set standard_conforming_strings = on as $body$
declare
    deletions uuid[];
begin
    execute 'select array_agg(deletion.id::uuid) from (' || (@schema@.sexton_statements_of_ledger() ->> 'of_batch') || ') deletion'
        into deletions using $1;
    if deletions is null then
        raise exception using errcode = 'SX001', message = format('the request %s has no deletion that could be restored', $1);
    end if;
    return query select * from @schema@.sexton_restore_all(deletions, $2, $3);
end
$body$;

comment on function @schema@.sexton_soft_remove is 'Marks a row and records its deletion, in the caller''s transaction: phase 1. Returns the deletion. SX001 no such row or resource, SX003 run `sexton migrate`, SX004 not a key.';
comment on function @schema@.sexton_restore is 'Takes a deletion back, with those of its children, in the caller''s transaction. SX001 no such deletion, SX002 too late.';
comment on function @schema@.sexton_restore_row is 'The same for the newest deletion of a row.';
comment on function @schema@.sexton_restore_batch is 'Takes back all that was requested under one batch id, or nothing.';
comment on function @schema@.sexton_restore_all is 'Part of sexton_restore.';
comment on function @schema@.sexton_refuse_restore is 'Part of sexton_restore: says why not.';
comment on function @schema@.sexton_remove_below is 'Part of sexton_soft_remove: the row''s children, to any depth.';
comment on function @schema@.sexton_record is 'Part of sexton_soft_remove: marks rows and records their deletions.';
comment on function @schema@.sexton_key is 'Reads a key as people write it.';
comment on function @schema@.sexton_key_parts is 'A key''s parts as statements read them.';
comment on function @schema@.sexton_statements is 'What the functions run for a resource, if it is there and fits.';
comment on function @schema@.sexton_statements_of_ledger is 'What the functions run on the ledger alone.';
comment on function @schema@.sexton_uuidv7 is 'A UUID of version 7 (RFC 9562 section 5.7).';

$functions$;
begin
    -- The functions are where the tables are, wherever the search path points today.
    execute replace(functions, '@schema@', (
        select relnamespace::regnamespace::text from pg_class where oid = 'sexton_resource'::regclass
    ));
end
$migration$;
