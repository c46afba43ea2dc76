-- list dead letters
select {text:d.id} as id, resource, key, dead_kind as kind, {iso:dead_at} as dead_at, attempts, {last_target} as target,
    last_error as error, {iso:requested_at} as requested_at, requested_by
from {deletion} d
where {conditions}
order by d.dead_at, d.id
{at_most}
