-- record the deletion of a row
    insert into {deletion} (id, resource, key, lane, state, run_at, batch_id, targets, payload, requested_by, reason, follows)
    select {new_id}, {name}, {key}, {lane}, {pending}, {in_ms:{grace_ms}}, {new_id},
        {targets}, {twin}, {by}, {reason}, {follows}
    where not exists (select 1 from {deletion} d where d.resource = {name} and d.key = {key})
        and not {is_done_with} and not {goes_with_parent};
    update {deletion} set former = json_insert(former, '$[#]', json({twin})), confirmations = '{}', lane = {lane},
        phase = {phase:Confirm}
    where resource = {name} and key = {key} and state <> {running} and not {is_done_with} and {has_other_twin}
        and not exists (select 1 from json_each(former) f where f.value = json({twin}));{forget_children}
