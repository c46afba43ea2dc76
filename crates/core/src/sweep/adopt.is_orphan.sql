(
    {is_marked} and {is_old}
    and not exists (
        select 1 from {deletion} d where d.resource = {resource_name} and d.key = {key}
    )
    and not exists (
        select 1 from {child} c
        where c.resource = {resource_name} and c.key = {key} and c.marker_value = {marker}
    )
    and not exists (
        select 1 from {done} f
        where f.resource = {resource_name} and {kept_as} and f.marker_value = {marker} and ({left_the_row})
    )
)
