-- record the deletion of rows
<<guard>>
declare
    batch uuid;
begin
    {ensure_own_table}
    guard.batch := coalesce(nullif(current_setting('sexton.guard_batch', true), ''),
        set_config('sexton.guard_batch', {new_id}::text, true));
    insert into {deletion} as d (id, resource, key, lane, state, run_at, batch_id, targets, payload, requested_by, reason, follows)
    select {new_id}, {name}, {key}, {lane}, {pending}, {in_ms:{grace_ms}},
        guard.batch, {targets}, {twin}, {by}, {reason} || ', by ' || session_user, {follows}
    from {gone} where not {is_done_with} and not {goes_with_parent}
    on conflict (resource, key) do update set former = d.former || jsonb_build_array(excluded.payload),
            confirmations = '{}', lane = excluded.lane, phase = {phase:Confirm}
        where d.state <> {running} and not d.payload @> excluded.payload and not d.former @> jsonb_build_array(excluded.payload);
    if found then
        perform pg_notify({channel}, '');
    end if;{forget_children}{remember_children}
    return null;
end
