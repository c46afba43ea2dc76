-- settle a deletion
update {deletion}
set state = json_extract(@settlement, '$.state'),
    phase = json_extract(@settlement, '$.phase'),
    run_at = {in_ms:json_extract(@settlement, '$.delay_ms')},
    attempts = max(attempts - json_extract(@settlement, '$.give_back'), 0),
    rescues = case when json_extract(@settlement, '$.give_back') = 0 then 0 else rescues end,
    called_at = case when json_extract(@settlement, '$.uncalled') then null else called_at end,
    lane = json_extract(@settlement, '$.lane'),
    confirmations = json_extract(@settlement, '$.confirmations'),
    gone_expected = json_extract(@settlement, '$.gone_expected'),
    held_at = json_extract(@settlement, '$.held_at'),
    payload = coalesce(json_extract(@settlement, '$.payload'), payload),
    marker_value = case
        when json_extract(@settlement, '$.payload') is null then marker_value
        else json_extract(@settlement, '$.payload') ->> marker_column
    end,
    last_error = coalesce(json_extract(@settlement, '$.error'), last_error),
    last_error_kind = coalesce(json_extract(@settlement, '$.error_kind'), last_error_kind),
    delete_limit_ms = coalesce(json_extract(@settlement, '$.delete_limit_ms'), delete_limit_ms),
    dead_kind = json_extract(@settlement, '$.dead_kind'),
    dead_at = case when json_extract(@settlement, '$.dead_kind') is not null then {now} end,
    lease_until = null,
    worker = null,
    calling = null
where id = json_extract(@settlement, '$.id') and fence = json_extract(@settlement, '$.fence')
    and state in ({from:Failed})
