-- open the deletion of a parent whose children are still there
insert into {deletion} as d (id, resource, key, lane, state, phase, run_at, batch_id, marker_rule, marker_column, marker_value,
    targets, confirmations, payload, requested_by, reason, called_at)
select {uuid:@id}, f.resource, f.key, f.resource, {pending}, {phase:HardDelete}, {now}, f.batch_id, @rule, f.marker_column,
    f.marker_value, f.targets, f.confirmations, {jsonb:@values}, @by, @reason, {now}
from {done} f
where f.id = {uuid:@completed} and f.finished_at = {timestamptz:@finished_at}
on conflict (resource, key) do nothing
returning 1 as opened
