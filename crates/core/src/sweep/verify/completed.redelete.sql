-- open the deletion of twins that came back
insert into {deletion} as d (id, resource, key, lane, state, phase, run_at, batch_id, marker_rule, marker_column, marker_value,
    targets, confirmations, payload, requested_by, reason, called_at)
select {uuid:@id}, f.resource, f.key, @lane, {pending}, {phase:Confirm}, {now}, f.batch_id, @rule, f.marker_column,
    f.marker_value, f.targets, {jsonb:@confirmed}, {jsonb:@values}, @by, @reason, {now}
from {done} f
where f.id = {uuid:@completed} and f.finished_at = {timestamptz:@finished_at} and f.key is not null
on conflict (resource, key) do nothing
returning 1 as opened
