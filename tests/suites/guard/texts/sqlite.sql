create trigger "sexton_guard_deleted_toy" after delete on "toy" for each row when not exists (select 1 from "sexton_deleting" d where d.table_name = '"toy"')
begin
    insert into "sexton_deletion" (id, resource, key, lane, state, run_at, batch_id, targets, payload, requested_by, reason, follows)
    select (select lower(substr(h.ms, 1, 8) || '-' || substr(h.ms, 9, 4) || '-7' || substr(hex(randomblob(2)), 2)
            || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))
        from (select printf('%012x', cast(round((julianday('now') - 2440587.5) * 86400000) as integer)) as ms) h), 'toy', case when typeof(old."id") = 'blob' then lower(hex(old."id")) else cast(old."id" as text) end, 'toy.shop', 'pending', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', printf('%+.3f seconds', (3600000) / 1000.0)), (select lower(substr(h.ms, 1, 8) || '-' || substr(h.ms, 9, 4) || '-7' || substr(hex(randomblob(2)), 2)
            || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))
        from (select printf('%012x', cast(round((julianday('now') - 2440587.5) * 86400000) as integer)) as ms) h),
        '["shop"]', json_object('name', case when typeof(old."name") = 'blob' then lower(hex(old."name")) else cast(old."name" as text) end, 'kind', case when typeof(old."kind") = 'blob' then lower(hex(old."kind")) else cast(old."kind" as text) end), 'sexton guard', 'the row was deleted without a request', null
    where not exists (select 1 from "sexton_deletion" d where d.resource = 'toy' and d.key = case when typeof(old."id") = 'blob' then lower(hex(old."id")) else cast(old."id" as text) end)
        and not ((((old."gone_at" is null and old."kind" = 'T') or (old."deleted_at" is null and (old."kind" <> 'T' or old."kind" is null))) is not true) and exists (select 1 from "sexton_deletion_done" f where f.resource = 'toy' and f.key = case when typeof(old."id") = 'blob' then lower(hex(old."id")) else cast(old."id" as text) end and f.marker_value = case case when old."kind" = 'T' then 0 else 1 end when 0 then case when typeof(old."gone_at") = 'blob' then lower(hex(old."gone_at")) else cast(old."gone_at" as text) end when 1 then case when typeof(old."deleted_at") = 'blob' then lower(hex(old."deleted_at")) else cast(old."deleted_at" as text) end end
            and (f.row_outcome = 'kept' or f.cancelled_by = 'discarded'))) and not false;
    update "sexton_deletion" set former = json_insert(former, '$[#]', json(json_object('name', case when typeof(old."name") = 'blob' then lower(hex(old."name")) else cast(old."name" as text) end, 'kind', case when typeof(old."kind") = 'blob' then lower(hex(old."kind")) else cast(old."kind" as text) end))), confirmations = '{}', lane = 'toy.shop',
        phase = 'confirm'
    where resource = 'toy' and key = case when typeof(old."id") = 'blob' then lower(hex(old."id")) else cast(old."id" as text) end and state <> 'running' and not ((((old."gone_at" is null and old."kind" = 'T') or (old."deleted_at" is null and (old."kind" <> 'T' or old."kind" is null))) is not true) and exists (select 1 from "sexton_deletion_done" f where f.resource = 'toy' and f.key = case when typeof(old."id") = 'blob' then lower(hex(old."id")) else cast(old."id" as text) end and f.marker_value = case case when old."kind" = 'T' then 0 else 1 end when 0 then case when typeof(old."gone_at") = 'blob' then lower(hex(old."gone_at")) else cast(old."gone_at" as text) end when 1 then case when typeof(old."deleted_at") = 'blob' then lower(hex(old."deleted_at")) else cast(old."deleted_at" as text) end end
            and (f.row_outcome = 'kept' or f.cancelled_by = 'discarded'))) and exists (select 1 from json_each(json_object('name', case when typeof(old."name") = 'blob' then lower(hex(old."name")) else cast(old."name" as text) end, 'kind', case when typeof(old."kind") = 'blob' then lower(hex(old."kind")) else cast(old."kind" as text) end)) n where not exists (
            select 1 from json_each(payload) o where o.key = n.key and o.value is n.value))
        and not exists (select 1 from json_each(former) f where f.value = json(json_object('name', case when typeof(old."name") = 'blob' then lower(hex(old."name")) else cast(old."name" as text) end, 'kind', case when typeof(old."kind") = 'blob' then lower(hex(old."kind")) else cast(old."kind" as text) end)));
end;
drop trigger if exists "sexton_guard_deleted_toy";
create trigger "sexton_guard_referenced1_insert_toy" after insert on "person" for each row when new."toy_id" is not null
begin
    select raise(abort, 'a row of toy that nothing has referenced for 7days can no longer be referenced') from "toy" t where t."id" = new."toy_id" and t."deprecated_at" is not null and (coalesce((case when typeof(t."deprecated_at") = 'integer' and t."deprecated_at" > 100000000000 then julianday(t."deprecated_at" / 1000, 'unixepoch')
                    when typeof(t."deprecated_at") = 'integer' then julianday(t."deprecated_at", 'unixepoch')
                    when length(t."deprecated_at") = 10 then julianday(t."deprecated_at") + 1 else julianday(t."deprecated_at") end) <= (julianday('now') - 604800000 / 86400000.0), false) or (((t."gone_at" is null and t."kind" = 'T') or (t."deleted_at" is null and (t."kind" <> 'T' or t."kind" is null))) is not true));
    update "toy" set "deprecated_at" = null where "toy"."id" = new."toy_id" and "deprecated_at" is not null;
end;
drop trigger if exists "sexton_guard_referenced1_insert_toy";
create trigger "sexton_guard_referenced1_update_toy" after update on "person" for each row when new."toy_id" is not null and (old."toy_id" is not new."toy_id")
begin
    select raise(abort, 'a row of toy that nothing has referenced for 7days can no longer be referenced') from "toy" t where t."id" = new."toy_id" and t."deprecated_at" is not null and (coalesce((case when typeof(t."deprecated_at") = 'integer' and t."deprecated_at" > 100000000000 then julianday(t."deprecated_at" / 1000, 'unixepoch')
                    when typeof(t."deprecated_at") = 'integer' then julianday(t."deprecated_at", 'unixepoch')
                    when length(t."deprecated_at") = 10 then julianday(t."deprecated_at") + 1 else julianday(t."deprecated_at") end) <= (julianday('now') - 604800000 / 86400000.0), false) or (((t."gone_at" is null and t."kind" = 'T') or (t."deleted_at" is null and (t."kind" <> 'T' or t."kind" is null))) is not true));
    update "toy" set "deprecated_at" = null where "toy"."id" = new."toy_id" and "deprecated_at" is not null;
end;
drop trigger if exists "sexton_guard_referenced1_update_toy";
