-- take back the marker of a row
-- It stays if it is not the one that was written, or if the row was removed together with another row as well.
update {table} t
set {unmark}
from {deletion} h
where h.resource = {resource} and {key_is_remembered} and {marker} is not distinct from h.marker_value
    and not exists (
        select 1 from {child} o where o.resource = h.resource and o.key = h.key and o.deletion_id <> @id::uuid)
    and not exists (select 1 from {deletion} o where o.resource = h.resource and o.key = h.key and o.id <> h.id)
    and h.id = @id::uuid
