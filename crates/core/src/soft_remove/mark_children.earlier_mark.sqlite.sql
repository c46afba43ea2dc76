-- look for an earlier mark of a child
select marker_before
from (
    select marker_before from {child} where resource = @resource and key = @key and marker_value = @marker_value
    union all
    select marker_before from {deletion} where resource = @resource and key = @key and marker_value = @marker_value
)
limit 1
