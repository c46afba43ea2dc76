-- record a failed attempt
insert into {attempt} (deletion_id, fence, target, outcome, status, reason, duration_ms, worker)
values (
    json_extract(@settlement, '$.id'),
    json_extract(@settlement, '$.fence'),
    json_extract(@settlement, '$.target'),
    json_extract(@settlement, '$.outcome'),
    json_extract(@settlement, '$.status'),
    json_extract(@settlement, '$.failure'),
    json_extract(@settlement, '$.duration_ms'),
    @worker
)
on conflict do nothing
