-- find the children of a row
-- A row is not its own child. `d` is its own deletion.
select {key} as key, {links} as links, {marker} as marker,
    {if_resource:d.id as id, d.state}{if_no_resource:null as id, null as state}
from {table} c
{if_resource:left join {deletion} d on d.resource = {resource} and d.key = {key}}
where {is_child_of_parent} and not (@parent_resource = {resource} and {key} = @parent_key)
    {if_requested:and {is_unfinished}}
order by {key_columns}
{limit}

-- where {is_unfinished} is
-- Its deletion is open or dead, or none ended for the marker that it carries: a row that is kept, or whose deletion on-call
-- discarded, still carries its marker.
(d.id is not null or not exists (
    select 1
    from {done} f
    where f.resource = {resource} and {is_kept_under_key} and {comparable_marker:f.marker_value} = {comparable_marker:{marker}}
        and (f.state = {to:Finished} or f.cancelled_by = {cancellation:Discarded})))
