-- read rows as they are now
select x.n, ({payload})::text as payload
from jsonb_to_recordset(@rows::jsonb) as x(n int, {key_record})
join {table} t on {key_is_wanted}
order by {key_columns}
{locks}
