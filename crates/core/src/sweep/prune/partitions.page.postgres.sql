-- read finished deletions of a month
select d.id::text as id, d.finished_at::text as at, d.resource, d.key, d.key_hash, {is_newest} as may_be_marked
from {partition} d
where {may_leave_row} {after}
order by d.finished_at, d.id
limit @limit
