-- mark the children of rows
-- * `found` locks the children of the parents in key order and remembers what their marker columns hold. A row is not its
--   own child.
-- * `marked` marks each of them once. A row that carries its marker already keeps it.
-- * `recorded` remembers for which deletion each was marked, and what had been there before the first mark.
with found as materialized (
    select x.n::uuid as deletion, {key_parts}, {key_of_child} as key, {rule_number} as rule,
        {marker_by_rule_number} as marker_before
    from jsonb_to_recordset(@parents::jsonb) as x({parent_columns})
    join {table} c on {is_child_of_parent}
    where {is_child_of_any} and not (x.r = {resource} and x.k = {key_of_child})
    order by {key_columns}
    for update of c
),
marked as (
    update {table} t
    set {mark}
    from (select distinct on (found.key) found.* from found) b
    where {key_is_found}
    returning b.key, b.rule, b.marker_before, {links} as links, {marker_column} as marker_column,
        {marker_value} as marker_value
),
recorded as (
    insert into {child} as h (deletion_id, resource, key, marker_rule, marker_column, marker_value, marker_before)
    select f.deletion, {resource}, f.key, m.rule, m.marker_column, m.marker_value,
        case when earlier_mark.found then earlier_mark.marker_before else m.marker_before end
    from (select distinct deletion, key from found) f
    join marked m on m.key = f.key
    left join lateral (
        select true as found, o.marker_before
        from (
            select o.marker_before
            from {child} o
            where o.resource = {resource} and o.key = f.key
                and {comparable_marker:o.marker_value} = {comparable_marker:m.marker_before}
            union all
            select o.marker_before
            from {deletion} o
            where o.resource = {resource} and o.key = f.key
                and {comparable_marker:o.marker_value} = {comparable_marker:m.marker_before}
        ) o
        limit 1
    ) earlier_mark on true
    on conflict (deletion_id, resource, key) do update set
        marker_rule = excluded.marker_rule,
        marker_column = excluded.marker_column,
        marker_value = excluded.marker_value,
        marker_before = excluded.marker_before
    where h.marker_value is distinct from excluded.marker_value
)
select f.deletion::text as n, f.key, m.links::text as links
from (select distinct deletion, key from found) f
join marked m on m.key = f.key
