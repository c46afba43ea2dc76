if tg_relid is distinct from to_regclass({own_table}) and not exists (
        select 1 from (select tg_relid::oid as oid union select relid from pg_partition_ancestors(tg_relid)) own
        where own.oid = to_regclass({own_table}) or own.oid in (select table_oid from {guard} where name = {guard_name})
    ) then
        raise insufficient_privilege using message = format('the guard %s is not for %s', {guard_name}, tg_relid::regclass),
            hint = 'If the table was renamed, run "sexton guard {resource_name}".';
    end if;
