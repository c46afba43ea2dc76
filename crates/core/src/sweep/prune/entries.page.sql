-- read old finished deletions
select {text:d.id} as id, {text:d.finished_at} as at, d.resource, d.key, d.key_hash,
    case when {may_leave_row} then {is_newest} else false end as may_be_marked
from {done} d
where d.finished_at < {timestamptz:@cutoff} {after}
order by d.finished_at, d.id
limit @limit
