-- see which rights are missing
-- What is not there any more is found by another check.
with wanted as (
    select w.* from jsonb_to_recordset(@wanted::jsonb)
        as w(path text, resource text, schema text, name text, kind text, privilege text, columns text[])
), relation as (
    select w.*, n.oid as schema_oid, c.oid
    from wanted w
    join pg_namespace n on n.nspname = w.schema
    left join pg_class c on c.relnamespace = n.oid and c.relname = w.name
)
select path, resource, what, string_agg(distinct privilege, ', ' order by privilege) as privileges
from (
    select path, resource, format('the schema %I', schema) as what, 'USAGE' as privilege
    from relation where not has_schema_privilege(schema_oid, 'USAGE')
    union all
    select path, resource, format('the table %I.%I', schema, name), privilege
    from relation where kind = 'table' and not has_table_privilege(oid, privilege)
    union all
    select path, resource, format('the table %I.%I', schema, name), privilege
    from relation where kind = 'any column' and not has_any_column_privilege(oid, privilege)
    union all
    select path, resource, format('the column %I of %I.%I', a.attname, schema, name), privilege
    from relation r
    join pg_attribute a on a.attrelid = r.oid and a.attname = any (r.columns) and not a.attisdropped
    where kind = 'columns' and not has_column_privilege(r.oid, a.attnum, privilege)
    union all
    select path, resource, format('the function %I.%I', schema, name), privilege
    from relation r join pg_proc f on f.pronamespace = r.schema_oid and f.proname = r.name
    where kind = 'function' and not has_function_privilege(f.oid, privilege)
) missing
group by path, resource, what
order by path, what
