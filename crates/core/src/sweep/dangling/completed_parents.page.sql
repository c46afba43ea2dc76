-- read completed deletions of parents
select {completed_parent}
from {done} d
where d.finished_at >= {timestamptz:@since} and d.resource {any_text:@resources} and {is_completed_parent} {after}
order by d.finished_at, d.id
limit @limit
