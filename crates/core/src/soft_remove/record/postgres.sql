-- mark rows and record their deletions
-- * `before` locks the rows in key order and remembers what the marker columns hold.
-- * `marked` marks them and captures the payload as it is then.
-- * `superseded` takes dead deletions of the same rows out of the way.
-- * `recorded` inserts the new deletions, or refreshes the open ones.
--
-- A running deletion is not changed and not even locked. Its worker calls with what it read, and completes only a row that
-- still says so. A caller's long transaction must not keep a worker from writing back.
--
-- What was committed while `before` waited for a lock is not in the statement's snapshot. `on conflict` meets it all the
-- same, in whatever state it is by then.
with before as materialized (
    select x.id as deletion, x.parent, {key_parts}, {rule_number} as rule, {marker_by_rule_number} as marker_before
    from jsonb_to_recordset(@rows::jsonb) as x(id uuid, parent uuid, {key_record})
    join {table} t on {key_is_wanted}
    order by {key_columns}
    for update of t
),
marked as (
    update {table} t
    set {mark}
    from before b
    where {key_is_before}
    returning b.deletion, b.parent, b.rule, b.marker_before, {key} as key, {payload} as payload,
        {marker_column} as marker_column, {marker_value} as marker_value
),
running as (
    select d.id, d.key, d.state, d.fence
    from marked m
    join {deletion} d on d.resource = @resource and d.key = m.key
    where d.state in ({from:Finished})
),
superseded as (
    delete from {deletion} d
    using marked m
    where d.resource = @resource and d.key = m.key and d.state in ({from:Superseded})
    returning d.*
),
{if_parent:
-- Marks of children belong to the deletion that takes the place of a superseded one, which waits for no other any more.
moved_marks as (
    update {child} c
    set deletion_id = m.deletion
    from superseded s
    join marked m on m.key = s.key
    where c.deletion_id = s.id
),
unlinked as (
    delete from {wait} w
    using superseded s
    where w.deletion_id = s.id
),}
archived as (
    insert into {done} ({copied_columns}, key_hash, confirmations, state, cancelled_by)
    select {copied_from_superseded}, confirmations, {to:Superseded}, {cancellation:Superseded}
    from superseded
),
recorded as (
    insert into {deletion} as d (id, parent_id, resource, key, lane, state, run_at, batch_id, marker_rule, marker_column,
        marker_value, marker_before, targets, confirmations, payload, requested_by, reason, trace_context, called_at, former)
    select m.deletion, m.parent, @resource, m.key,
        coalesce((
            select @resource || '.' || target.name
            from jsonb_array_elements_text(@targets::jsonb) with ordinality target(name, place)
            where not still_confirmed.confirmations ? target.name
                or still_confirmed.confirmations -> target.name ->> 'doubted' = 'true'
            order by target.place
            limit 1
        ), @resource),
        {pending}, clock_timestamp() + @delay_ms * interval '1 millisecond', @batch::uuid,
        m.rule, m.marker_column, m.marker_value,
        -- A row that still carries the marker of the superseded deletion was marked by us.
        case when s.marker_column = m.marker_column and not {superseded_is_of_another_row}
            then s.marker_before
            {if_child: when earlier_mark.found then earlier_mark.marker_before}
            else m.marker_before end,
        @targets::jsonb, still_confirmed.confirmations, m.payload, @requested_by, @reason, @trace_context, s.called_at,
        -- The payloads with which earlier rows of this key may still have twins: see {former_payloads} below.
        coalesce(
            case when (s.marker_column is null or {superseded_is_of_another_row}) and exists (
                select 1 from jsonb_each(@target_columns::jsonb) target
                where (s.confirmations -> target.key is null or s.confirmations -> target.key ->> 'doubted' = 'true') and exists (
                    select 1 from jsonb_array_elements_text(target.value) used(name)
                    where s.payload ->> used.name is distinct from m.payload ->> used.name))
            then s.former || jsonb_build_array(s.payload) else s.former end,
            '[]')
    from marked m
    left join superseded s on s.key = m.key
    {if_child:
    -- What a row that was marked as the child of another had in its marker column before.
    left join lateral (
        select true as found, o.marker_before
        from {child} o
        where o.resource = @resource and o.key = m.key
            and {comparable_marker:o.marker_value} = {comparable_marker:m.marker_before}
        limit 1
    ) earlier_mark on true}
    -- The confirmations of the superseded deletion whose targets would be called in the same way with the new payload. Of a
    -- target that is not configured nothing is known, so the whole payload counts.
    cross join lateral (
        select (
            select coalesce(jsonb_object_agg(c.key, c.value), '{}')
            from jsonb_each(s.confirmations) c
            where case when @target_columns::jsonb ? c.key then not exists (
                    select 1 from jsonb_array_elements_text(@target_columns::jsonb -> c.key) used(name)
                    where s.payload ->> used.name is distinct from m.payload ->> used.name)
                else s.payload = m.payload end
        ) as confirmations
    ) still_confirmed
    where not exists (select 1 from running where running.key = m.key)
    on conflict (resource, key) do update set
        payload = case when {is_running} then d.payload else excluded.payload end,
        former = case when {is_running} then d.former else {former_payloads} end,
        marker_rule = case when {is_running} then d.marker_rule else excluded.marker_rule end,
        marker_before = case when {is_running} then d.marker_before else {first_marker_before} end,
        marker_column = case when {is_running} then d.marker_column else excluded.marker_column end,
        marker_value = case when {is_running} then d.marker_value else excluded.marker_value end,
        lane = case when {is_running} then d.lane else {lane} end,
        confirmations = case when {is_running} then d.confirmations else {still_confirmed} end,
        gone_expected = case when {is_running} or d.payload = excluded.payload then d.gone_expected else '[]' end,
        phase = case when {is_running} then d.phase when {must_confirm_anew} then {phase:Confirm} else d.phase end,
        run_at = case when {is_running} then d.run_at when {must_confirm_anew} then excluded.run_at else d.run_at end,
        state = case when {is_running} then d.state when {is_dead} then {to:Retried} else d.state end,
        attempts = case when {is_running} then d.attempts when {is_dead} then 0 else d.attempts end,
        rescues = case when {is_running} then d.rescues when {is_dead} then 0 else d.rescues end,
        first_attempt_at = case when {is_running} then d.first_attempt_at when {is_dead} then null else d.first_attempt_at end,
        dead_at = case when {is_running} then d.dead_at when {is_dead} then null else d.dead_at end,
        dead_kind = case when {is_running} then d.dead_kind when {is_dead} then null else d.dead_kind end
    returning d.id, d.key, d.state, d.fence, d.run_at, {links} as links, d.marker_rule
)
select id::text as id, key, state, fence, state = {pending} and run_at <= clock_timestamp() as due, links, marker_rule
from recorded
union all
select id::text, key, state, fence, false, '{}', 0::smallint
from running

-- where {is_running} is
-- Running since a moment ago, else it were in `running`: nothing changes.
d.state in ({from:Finished})

-- where {must_confirm_anew} is
{is_dead} or (d.phase = {phase:HardDelete} and {still_confirmed} <> d.confirmations)

-- where {is_dead} is
-- Dead since a moment ago, else it were superseded: the request is another try.
d.state in ({from:Retried})

-- where {lane} is
coalesce((
    select @resource || '.' || target.name
    from jsonb_array_elements_text(@targets::jsonb) with ordinality target(name, place)
    where not ({still_confirmed}) ? target.name or ({still_confirmed}) -> target.name ->> 'doubted' = 'true'
    order by target.place
    limit 1
), @resource)

-- where {still_confirmed} is
-- A target whose columns changed is asked anew.
case when d.payload = excluded.payload then d.confirmations else (
    select coalesce(jsonb_object_agg(c.key, c.value), '{}')
    from jsonb_each(d.confirmations) c
    where case when @target_columns::jsonb ? c.key then not exists (
            select 1 from jsonb_array_elements_text(@target_columns::jsonb -> c.key) used(name)
            where d.payload ->> used.name is distinct from excluded.payload ->> used.name)
        else d.payload = excluded.payload end
) end

-- where {former_payloads} is
-- The payloads that the deletion has, and its own if the row that is requested now is another one: it does not carry the
-- deletion's marker, and has another twin. A deletion that was recorded when its row was gone has no marker column.
case when (d.marker_column is null or {open_is_of_another_row}) and exists (
    select 1 from jsonb_each(@target_columns::jsonb) target
    where (d.confirmations -> target.key is null or d.confirmations -> target.key ->> 'doubted' = 'true') and exists (
        select 1 from jsonb_array_elements_text(target.value) used(name)
        where d.payload ->> used.name is distinct from excluded.payload ->> used.name))
then d.former || jsonb_build_array(d.payload) else d.former end

-- where {first_marker_before} is
-- A row that still carries our marker was marked by us.
case when d.marker_column = excluded.marker_column and not {open_is_of_another_row}
    then d.marker_before else excluded.marker_before end

-- where {superseded_is_of_another_row} is
{comparable_marker:s.marker_value} is distinct from {comparable_marker:m.marker_before}

-- where {open_is_of_another_row} is
{comparable_marker:d.marker_value} is distinct from {comparable_marker:excluded.marker_before}
