-- remember for which deletion a child was marked
insert into {child} (deletion_id, resource, key, marker_rule, marker_column, marker_value, marker_before)
values (@deletion, @resource, @key, @marker_rule, @marker_column, @marker_value, @marker_before)
on conflict (deletion_id, resource, key) do update set
    marker_rule = excluded.marker_rule,
    marker_column = excluded.marker_column,
    marker_value = excluded.marker_value,
    marker_before = excluded.marker_before
where marker_value is not excluded.marker_value
