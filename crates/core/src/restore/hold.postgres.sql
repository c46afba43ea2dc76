-- hold the deletions of a batch
with held as materialized (
    select id, run_at from {deletion} where batch_id = @batch::uuid and state in ({from:Claimed}) and called_at is null
    order by id
    for update
)
update {deletion} d
set run_at = greatest(d.run_at, clock_timestamp() + @held_ms * interval '1 millisecond')
from held
where d.id = held.id
returning held.id::text as id, held.run_at::text as run_at, d.run_at::text as held_until
