-- take back the markers of children
-- A marker stays if it is not the one that was written, or if the row has a deletion of its own or goes with another row.
update {table} t
set {unmark}
from {child} h
where h.resource = {resource} and {key_is_remembered} and {marker} is not distinct from h.marker_value
    and not exists (
        select 1 from {child} o where o.resource = h.resource and o.key = h.key and o.deletion_id <> @id::uuid)
    and not exists (select 1 from {deletion} o where o.resource = h.resource and o.key = h.key)
    and h.deletion_id = @id::uuid
