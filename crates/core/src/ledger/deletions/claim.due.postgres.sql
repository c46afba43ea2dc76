-- claim due deletions
-- The lanes with anything due share the limit, and of each the oldest are taken. Rounding up, they may be too many: which
-- ones stay behind is left to chance, so that no lane is always the last.
with open as (
    select lane.value as value
    from {texts:@lanes} lane
    where {oldest_allowed} <= (select {in_ms:-@overdue_ms})
),
due as (
    select one.id, lane.value as lane, one.rescues, one.uncalled, one.bytes
    from open lane
    cross join lateral (
        select d.id, d.rescues, d.called_at is null as uncalled, {payload_bytes} as bytes
        from {deletion} d
        where d.state in ({from:Claimed}) and d.lane = lane.value and d.run_at <= (select {in_ms:-@overdue_ms})
            and (d.rescues = 0 or @with_rescued = 1)
        order by d.run_at, d.id
        limit (select ceil(@limit::numeric / greatest(count(*), 1)) from open)
        for update of d skip locked
    ) one
),
chosen as (
    select id, uncalled from {one_rescued_at_most} few
    where id in {fits_in_memory}
    order by random()
    limit @limit
)
update {deletion} d
set {claimed}
where d.id = any (array(select chosen.id from chosen))
returning {claim_columns}, d.id = any (array(select chosen.id from chosen where chosen.uncalled)) as uncalled
