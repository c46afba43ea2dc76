-- record a deletion
insert into {deletion} (id, resource, key, lane, state, run_at, batch_id, marker_rule, marker_column, marker_value,
    marker_before, targets, confirmations, payload, requested_by, reason, trace_context, called_at, parent_id, former)
values (@id, @resource, @key, @lane, {pending}, {in_ms:@delay_ms}, @batch, @marker_rule, @marker_column, @marker_value,
    @marker_before, @targets, @confirmations, @payload, @requested_by, @reason, @trace_context, @called_at, @parent, @former)
returning run_at <= {now} as due
