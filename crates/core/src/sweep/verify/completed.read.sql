-- read completed deletions
-- The times are there so that only the partitions are read that have them.
select {text:d.id} as id, {text:d.finished_at} as at, {iso:d.finished_at} as iso, d.resource, d.key,
    d.row_outcome = {row_outcome:Kept} as kept, d.requested_by,
    {text:d.confirmations} as confirmations, coalesce({text:d.refs}, '{}') as refs
from {done} d
where d.id {any_uuid:@deletions} and d.finished_at >= {timestamptz:@first} and d.finished_at <= {timestamptz:@last}
    and d.state = {completed}
order by d.finished_at, d.id
