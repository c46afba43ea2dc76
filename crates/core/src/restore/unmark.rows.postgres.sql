-- take back the markers of rows
-- A marker stays if it is not the one that was written, or if the row was removed together with another row as well.
with wanted as materialized (
    select value::uuid as id from jsonb_array_elements_text(@ids::jsonb)
)
update {table} t
set {unmark}
from {deletion} h
where h.resource = {resource} and {key_is_remembered}
    and {comparable_marker:{marker}} is not distinct from {comparable_marker:h.marker_value}
    and not exists (
        select 1 from {child} o
        where o.resource = h.resource and o.key = h.key and o.deletion_id not in (select w.id from wanted w))
    and h.id = any (array(select w.id from wanted w))
returning h.id::text as id
