-- postpone the deletions of a batch
with postponed as materialized (
    select id, run_at from {deletion} where batch_id = @batch::uuid and state in ({from:Claimed}) and called_at is null
    order by id
    for update
)
update {deletion} d
set run_at = greatest(d.run_at, clock_timestamp() + @postponed_ms * interval '1 millisecond')
from postponed
where d.id = postponed.id
returning postponed.id::text as id, postponed.run_at::text as run_at, d.run_at::text as postponed_until
