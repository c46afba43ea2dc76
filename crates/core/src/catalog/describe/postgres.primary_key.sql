-- read the primary key of a table
select a.attname::text as name
from pg_index i
cross join unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) with ordinality k(number, place)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
where i.indrelid = @oid::bigint::oid and i.indisprimary
order by k.place
