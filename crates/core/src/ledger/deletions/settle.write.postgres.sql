-- settle deletions
-- The rows are locked in the order of their ids, as renewing does: two statements of one process must not wait for each
-- other.
with x as (
    select * from jsonb_to_recordset(@settlements::jsonb) as x(
        id uuid, fence bigint, state text, phase text, delay_ms bigint, give_back int, uncalled bool, lane text,
        confirmations jsonb, gone_expected jsonb, held_at timestamptz, payload jsonb, error text, error_kind text,
        dead_kind text, delete_limit_ms bigint, target text, outcome text, status smallint, failure text,
        duration_ms bigint
    )
),
ours as materialized (
    select d.id
    from {deletion} d
    join x on x.id = d.id and x.fence = d.fence
    where d.id {any_id_of:@settlements} and d.state in ({from:Failed})
    order by d.id
    for update of d
),
written as (
    update {deletion} d
    set state = x.state,
        phase = x.phase,
        run_at = {in_ms:x.delay_ms},
        attempts = greatest(d.attempts - x.give_back, 0),
        rescues = case when x.give_back = 0 then 0 else d.rescues end,
        called_at = case when x.uncalled then null else d.called_at end,
        lane = x.lane,
        confirmations = x.confirmations,
        gone_expected = x.gone_expected,
        held_at = x.held_at,
        payload = coalesce(x.payload, d.payload),
        marker_value = case when x.payload is null then d.marker_value else x.payload ->> d.marker_column end,
        last_error = coalesce(x.error, d.last_error),
        last_error_kind = coalesce(x.error_kind, d.last_error_kind),
        delete_limit_ms = coalesce(x.delete_limit_ms, d.delete_limit_ms),
        dead_kind = x.dead_kind,
        dead_at = case when x.dead_kind is not null then {now} end,
        lease_until = null,
        worker = null,
        calling = null
    from x
    join ours on ours.id = x.id
    where d.id = x.id and d.id {any_id_of:@settlements} and d.fence = x.fence and d.state in ({from:Failed})
    returning d.id, d.fence
),
tried as (
    insert into {attempt} (deletion_id, fence, target, outcome, status, reason, duration_ms, worker)
    select x.id, x.fence, x.target, x.outcome, x.status, x.failure, x.duration_ms, @worker
    from x
    join written on written.id = x.id
    where x.target is not null
    on conflict do nothing
)
select id::text as id from written
