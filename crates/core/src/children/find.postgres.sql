-- find the children of rows
-- A row is not its own child. `d` is its own deletion, at most one, so that the planner looks it up by its index for each
-- row, whatever it knows of the ledger.
select x.n as label, {key} as key, ({links})::text as links,
    {if_resource:d.id::text as id, d.state}{if_no_resource:null as id, null as state}
from jsonb_to_recordset(@parents::jsonb) as x({parent_columns})
join {table} c on {is_child_of_parent}
{if_resource:
left join lateral (
    select o.id, o.state
    from {deletion} o
    where o.resource = {resource} and o.key = {key}
    limit 1
) d on true}
where {is_child_of_any} and not (x.r = {resource} and x.k = {key})
    {if_requested:and {is_unfinished}}
order by {key_columns}
{limit}
{locks}

-- where {is_unfinished} is
-- Its deletion is open or dead, or none ended for the marker that it carries: a row that is kept, or whose deletion on-call
-- discarded, still carries its marker.
(d.id is not null or not exists (
    select 1
    from {done} f
    where f.resource = {resource} and {is_kept_under_key} and {comparable_marker:f.marker_value} = {comparable_marker:{marker}}
        and (f.state = {to:Finished} or f.cancelled_by = {cancellation:Discarded})))
