-- let deletions wait for new ones
insert into {wait} (deletion_id, child_id)
select x.parent, x.child
from jsonb_to_recordset(@pairs::jsonb) as x(parent uuid, child uuid)
where true
on conflict do nothing
