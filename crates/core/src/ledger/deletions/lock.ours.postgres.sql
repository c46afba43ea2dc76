-- lock claimed deletions
select d.id::text as id
from {deletion} d
join jsonb_to_recordset(@claims::jsonb) as x(id uuid, fence bigint) on x.id = d.id and x.fence = d.fence
where d.id {any_id_of:@claims} and d.state in ({from:Finished})
order by d.id
for update of d
