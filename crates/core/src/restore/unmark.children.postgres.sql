-- take back the markers of children
-- A marker stays if it is not the one that was written, or if the row has a deletion of its own or goes with another row.
with wanted as materialized (
    select value::uuid as id from jsonb_array_elements_text(@ids::jsonb)
)
update {table} t
set {unmark}
from {child} h
where h.resource = {resource} and {key_is_remembered}
    and {comparable_marker:{marker}} is not distinct from {comparable_marker:h.marker_value}
    and not exists (
        select 1 from {child} o
        where o.resource = h.resource and o.key = h.key and o.deletion_id not in (select w.id from wanted w))
    and not exists (
        select 1 from {deletion} o
        where o.resource = h.resource and o.key = h.key and o.id not in (select w.id from wanted w))
    and h.deletion_id = any (array(select w.id from wanted w))
