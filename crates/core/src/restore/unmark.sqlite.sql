-- take back the marker of a row
-- It stays if it is not the one that was written, or if the row goes with another row or has another deletion.
update {table} as t
set {unmark}
where {key_is_bound} and {comparable_marker:{marker}} is {comparable_marker:@marker_value}
    and not exists (select 1 from {child} o where o.resource = @resource and o.key = @key)
    and not exists (select 1 from {deletion} o where o.resource = @resource and o.key = @key)
