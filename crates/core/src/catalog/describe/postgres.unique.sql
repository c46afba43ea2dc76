-- read the unique indexes of a table
select (
    select json_agg(a.attname)
    from pg_attribute a
    where a.attrelid = i.indrelid and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
)::text as columns
from pg_index i
where i.indrelid = @oid::bigint::oid
    and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
