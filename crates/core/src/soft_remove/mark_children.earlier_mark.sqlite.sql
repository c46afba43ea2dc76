-- look for an earlier mark of a child
select marker_before
from (
    select marker_before, marker_value from {child} where resource = @resource and key = @key
    union all
    select marker_before, marker_value from {deletion} where resource = @resource and key = @key
)
where {comparable_marker:marker_value} = {comparable_marker:@marker_value}
limit 1
