do $revoke$
declare
    grantee record;
begin
    for grantee in
        select f.oid::regprocedure as function, a.grantee as oid
        from pg_catalog.pg_proc f, pg_catalog.aclexplode(coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))) a
        where f.proname = {name} and f.pronamespace = pg_catalog.to_regnamespace(pg_catalog.quote_ident({schema}))
            and a.grantee <> f.proowner
    loop
        execute pg_catalog.format('revoke all on function %s from %s', grantee.function,
            case grantee.oid when 0 then 'public' else grantee.oid::regrole::text end);
    end loop;
end
$revoke$
