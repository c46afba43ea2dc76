(
    {is_marked} and {is_old}
    and not exists (
        select 1 from {deletion} d where d.resource = {resource_name} and d.key = {key}
    )
    and not exists (
        select 1 from {child} c
        where c.resource = {resource_name} and c.key = {key} and {comparable_marker:c.marker_value} = {comparable_marker:{marker}}
    )
    and not exists (
        select 1 from {done} f
        where f.resource = {resource_name} and {kept_as} and ({left_the_row})
            and {comparable_marker:f.marker_value} = {comparable_marker:{marker}}
    )
)
