-- see how a guard stands
-- A trigger for each row is copied to the partitions of its table, where it can be disabled by itself. PostgreSQL 12 does
-- not say which is a copy of which.
with recursive wanted as (
    select @name::text as name
), function as (
    select f.*
    from wanted w
    join pg_proc f on f.proname = w.name and f.pronargs = 0
    join pg_namespace n on n.oid = f.pronamespace and n.nspname = @schema
), trigger as (
    select t.oid, t.tgenabled, t.tgrelid, t.tgnargs
    from wanted w
    join function f on true
    join pg_trigger t on t.tgfoid = f.oid and t.tgname = w.name and t.tgrelid = to_regclass(@table)
), copy (oid, enabled) as (
    select oid, tgenabled from trigger
    union
    select t.oid, t.tgenabled from copy join pg_trigger t on to_jsonb(t) ->> 'tgparentid' = copy.oid::text
)
select
    f.oid is not null as has_function,
    t.oid is not null as has_trigger,
    exists (select 1 from pg_trigger o where o.tgfoid = f.oid and not o.tgisinternal) as has_any_trigger,
    f.prosrc as source,
    coalesce(f.prosecdef, false) as is_definer,
    coalesce(to_json(f.proconfig), '[]')::text as settings,
    pg_get_userbyid(f.proowner)::text as owner,
    (
        select string_agg(case a.grantee when 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end, ', ')
        from aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a
        where a.grantee <> f.proowner
    ) as executable_by,
    exists (select 1 from copy where enabled in ('D', 'R')) as is_disabled,
    pg_get_triggerdef(t.oid) as definition,
    t.tgrelid::bigint as table_oid,
    g.name is not null as is_known,
    g.owner as known_owner,
    g.digest as known_digest,
    g.definition as known_definition
from wanted w
left join function f on true
left join trigger t on true
left join {guard} g on g.name = w.name
