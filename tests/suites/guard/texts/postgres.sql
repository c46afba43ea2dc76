create function "public"."sexton_guard_deleted_toy"() returns trigger language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = 'off' set standard_conforming_strings = 'on' set TimeZone = 'UTC' set DateStyle = 'ISO, MDY' set IntervalStyle = 'postgres' set bytea_output = 'hex' set extra_float_digits = '1' as $sexton$
-- after delete referencing old table as gone for each statement when (current_setting('sexton.deleting', true) is distinct from pg_trigger_depth()::text)
<<guard>>
declare
    batch uuid;
begin
    if tg_relid is distinct from to_regclass('"public"."toy"') and not exists (
        select 1 from (select tg_relid::oid as oid union select relid from pg_partition_ancestors(tg_relid)) own
        where own.oid = to_regclass('"public"."toy"') or own.oid in (select table_oid from "public"."sexton_guard" where name = 'sexton_guard_deleted_toy')
    ) then
        raise insufficient_privilege using message = format('the guard %s is not for %s', 'sexton_guard_deleted_toy', tg_relid::regclass),
            hint = 'If the table was renamed, run "sexton guard toy".';
    end if;
    guard.batch := coalesce(nullif(current_setting('sexton.guard_batch', true), ''),
        set_config('sexton.guard_batch', "public".sexton_uuidv7()::text, true));
    insert into "public"."sexton_deletion" as d (id, resource, key, lane, state, run_at, batch_id, targets, payload, requested_by, reason, follows)
    select "public".sexton_uuidv7(), 'toy', gone."id"::text, 'toy.shop', 'pending', (clock_timestamp() + (3600000) * interval '1 millisecond'),
        guard.batch, '["shop"]', jsonb_build_object('name', gone."name"::text, 'kind', gone."kind"::text), 'sexton guard', 'the row was deleted without a request' || ', by ' || session_user, null
    from gone where not ((((gone."gone_at" is null and gone."kind" = ('T')::text) or (gone."deleted_at" is null and (gone."kind" <> ('T')::text or gone."kind" is null))) is not true) and exists (select 1 from "public"."sexton_deletion_done" f where f.resource = 'toy' and (f.key = gone."id"::text or f.key_hash = encode(sha256(convert_to((select value from "public"."sexton_secret" where name = 'key_salt') || '/' || 'toy' || '/' || gone."id"::text,
                'UTF8')), 'hex'))
            and (case when f.marker_value like '____-__-__T__:__:__%' then left(f.marker_value || case when strpos(f.marker_value, '.') > 0 then '000' else '.000' end, 23) else f.marker_value end) = (case when case case when gone."kind" = ('T')::text then 0 else 1 end when 0 then (to_jsonb(gone."gone_at" at time zone 'UTC') #>> '{}') when 1 then (to_jsonb(gone."deleted_at" at time zone 'UTC') #>> '{}') end like '____-__-__T__:__:__%' then left(case case when gone."kind" = ('T')::text then 0 else 1 end when 0 then (to_jsonb(gone."gone_at" at time zone 'UTC') #>> '{}') when 1 then (to_jsonb(gone."deleted_at" at time zone 'UTC') #>> '{}') end || case when strpos(case case when gone."kind" = ('T')::text then 0 else 1 end when 0 then (to_jsonb(gone."gone_at" at time zone 'UTC') #>> '{}') when 1 then (to_jsonb(gone."deleted_at" at time zone 'UTC') #>> '{}') end, '.') > 0 then '000' else '.000' end, 23) else case case when gone."kind" = ('T')::text then 0 else 1 end when 0 then (to_jsonb(gone."gone_at" at time zone 'UTC') #>> '{}') when 1 then (to_jsonb(gone."deleted_at" at time zone 'UTC') #>> '{}') end end)
            and (f.row_outcome = 'kept' or f.cancelled_by = 'discarded'))) and not false
    on conflict (resource, key) do update set former = d.former || jsonb_build_array(excluded.payload),
            confirmations = '{}', lane = excluded.lane, phase = 'confirm'
        where d.state <> 'running' and not d.payload @> excluded.payload and not d.former @> jsonb_build_array(excluded.payload);
    if found then
        perform pg_notify('sexton_due', '');
    end if;
    return null;
end
$sexton$;
do $revoke$
declare
    grantee record;
begin
    for grantee in
        select f.oid::regprocedure as function, a.grantee as oid
        from pg_catalog.pg_proc f, pg_catalog.aclexplode(coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))) a
        where f.proname = 'sexton_guard_deleted_toy' and f.pronamespace = pg_catalog.to_regnamespace(pg_catalog.quote_ident('public'))
            and a.grantee <> f.proowner
    loop
        execute pg_catalog.format('revoke all on function %s from %s', grantee.function,
            case grantee.oid when 0 then 'public' else grantee.oid::regrole::text end);
    end loop;
end
$revoke$;
create trigger "sexton_guard_deleted_toy" after delete on "public"."toy" referencing old table as gone for each statement
    when (current_setting('sexton.deleting', true) is distinct from pg_trigger_depth()::text) execute function "public"."sexton_guard_deleted_toy"();
drop function if exists "public"."sexton_guard_deleted_toy"() cascade;
create function "public"."sexton_guard_referenced1_insert_toy"() returns trigger language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = 'off' set standard_conforming_strings = 'on' as $sexton$
-- after insert for each row when (new."toy_id" is not null)
<<guard>>
declare
    is_marked boolean;
    is_hidden boolean;
begin
    if tg_relid is distinct from to_regclass('"public"."person"') and not exists (
        select 1 from (select tg_relid::oid as oid union select relid from pg_partition_ancestors(tg_relid)) own
        where own.oid = to_regclass('"public"."person"') or own.oid in (select table_oid from "public"."sexton_guard" where name = 'sexton_guard_referenced1_insert_toy')
    ) then
        raise insufficient_privilege using message = format('the guard %s is not for %s', 'sexton_guard_referenced1_insert_toy', tg_relid::regclass),
            hint = 'If the table was renamed, run "sexton guard toy".';
    end if;
    select t."deprecated_at" is not null, (coalesce(t."deprecated_at"::timestamptz <= (clock_timestamp() - 604800000 * interval '1 millisecond'), false) or (((t."gone_at" is null and t."kind" = ('T')::text) or (t."deleted_at" is null and (t."kind" <> ('T')::text or t."kind" is null))) is not true)) into guard.is_marked, guard.is_hidden from "public"."toy" t where t."id" operator(pg_catalog.=) new."toy_id" for key share;
    if guard.is_marked is not true then
        return null;
    end if;
    if guard.is_hidden then
        raise foreign_key_violation using message = 'a row of toy that nothing has referenced for 7days can no longer be referenced', schema = tg_table_schema, table = tg_table_name, constraint = tg_name,
            hint = 'It is about to be deleted; choose another, or clear its ' || 'deprecated_at' || ' first.';
    end if;
    perform 1 from "public"."toy" t where t."id" operator(pg_catalog.=) new."toy_id" for no key update skip locked;
    if found then
        perform set_config('search_path', coalesce((
            select substr(setting, length('search_path=') + 1)
            from pg_db_role_setting s cross join unnest(s.setconfig) setting
            where setting like 'search\_path=%' and s.setrole in (0, to_regrole(quote_ident(current_user)))
                and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
            order by s.setrole = 0, s.setdatabase = 0 limit 1), '"$user", public'), true);
        update "public"."toy" t set "deprecated_at" = null where t."id" operator(pg_catalog.=) new."toy_id" and t."deprecated_at" is not null;
    end if;
    return null;
end
$sexton$;
do $revoke$
declare
    grantee record;
begin
    for grantee in
        select f.oid::regprocedure as function, a.grantee as oid
        from pg_catalog.pg_proc f, pg_catalog.aclexplode(coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))) a
        where f.proname = 'sexton_guard_referenced1_insert_toy' and f.pronamespace = pg_catalog.to_regnamespace(pg_catalog.quote_ident('public'))
            and a.grantee <> f.proowner
    loop
        execute pg_catalog.format('revoke all on function %s from %s', grantee.function,
            case grantee.oid when 0 then 'public' else grantee.oid::regrole::text end);
    end loop;
end
$revoke$;
create trigger "sexton_guard_referenced1_insert_toy" after insert on "public"."person" for each row
    when (new."toy_id" is not null) execute function "public"."sexton_guard_referenced1_insert_toy"();
drop function if exists "public"."sexton_guard_referenced1_insert_toy"() cascade;
create function "public"."sexton_guard_referenced1_update_toy"() returns trigger language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = 'off' set standard_conforming_strings = 'on' as $sexton$
-- after update for each row when (new."toy_id" is not null and (old."toy_id" is distinct from new."toy_id"))
<<guard>>
declare
    is_marked boolean;
    is_hidden boolean;
begin
    if tg_relid is distinct from to_regclass('"public"."person"') and not exists (
        select 1 from (select tg_relid::oid as oid union select relid from pg_partition_ancestors(tg_relid)) own
        where own.oid = to_regclass('"public"."person"') or own.oid in (select table_oid from "public"."sexton_guard" where name = 'sexton_guard_referenced1_update_toy')
    ) then
        raise insufficient_privilege using message = format('the guard %s is not for %s', 'sexton_guard_referenced1_update_toy', tg_relid::regclass),
            hint = 'If the table was renamed, run "sexton guard toy".';
    end if;
    select t."deprecated_at" is not null, (coalesce(t."deprecated_at"::timestamptz <= (clock_timestamp() - 604800000 * interval '1 millisecond'), false) or (((t."gone_at" is null and t."kind" = ('T')::text) or (t."deleted_at" is null and (t."kind" <> ('T')::text or t."kind" is null))) is not true)) into guard.is_marked, guard.is_hidden from "public"."toy" t where t."id" operator(pg_catalog.=) new."toy_id" for key share;
    if guard.is_marked is not true then
        return null;
    end if;
    if guard.is_hidden then
        raise foreign_key_violation using message = 'a row of toy that nothing has referenced for 7days can no longer be referenced', schema = tg_table_schema, table = tg_table_name, constraint = tg_name,
            hint = 'It is about to be deleted; choose another, or clear its ' || 'deprecated_at' || ' first.';
    end if;
    perform 1 from "public"."toy" t where t."id" operator(pg_catalog.=) new."toy_id" for no key update skip locked;
    if found then
        perform set_config('search_path', coalesce((
            select substr(setting, length('search_path=') + 1)
            from pg_db_role_setting s cross join unnest(s.setconfig) setting
            where setting like 'search\_path=%' and s.setrole in (0, to_regrole(quote_ident(current_user)))
                and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
            order by s.setrole = 0, s.setdatabase = 0 limit 1), '"$user", public'), true);
        update "public"."toy" t set "deprecated_at" = null where t."id" operator(pg_catalog.=) new."toy_id" and t."deprecated_at" is not null;
    end if;
    return null;
end
$sexton$;
do $revoke$
declare
    grantee record;
begin
    for grantee in
        select f.oid::regprocedure as function, a.grantee as oid
        from pg_catalog.pg_proc f, pg_catalog.aclexplode(coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))) a
        where f.proname = 'sexton_guard_referenced1_update_toy' and f.pronamespace = pg_catalog.to_regnamespace(pg_catalog.quote_ident('public'))
            and a.grantee <> f.proowner
    loop
        execute pg_catalog.format('revoke all on function %s from %s', grantee.function,
            case grantee.oid when 0 then 'public' else grantee.oid::regrole::text end);
    end loop;
end
$revoke$;
create trigger "sexton_guard_referenced1_update_toy" after update on "public"."person" for each row
    when (new."toy_id" is not null and (old."toy_id" is distinct from new."toy_id")) execute function "public"."sexton_guard_referenced1_update_toy"();
drop function if exists "public"."sexton_guard_referenced1_update_toy"() cascade;
