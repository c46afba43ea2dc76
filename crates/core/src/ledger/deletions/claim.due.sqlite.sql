-- choose due deletions to claim
-- The lanes with anything due share the limit, and of each the oldest are taken. Rounding up, they may be too many: which
-- ones stay behind is left to chance, so that no lane is always the last.
with open as materialized (
    select lane.value as value
    from {texts:@lanes} lane
    where {oldest_allowed} <= (select {in_ms:-@overdue_ms})
),
due as materialized (
    select one.id, one.rescues, one.called_at is null as uncalled
    from open lane
    cross join {deletion} one on one.id in (
        select d.id
        from {deletion} d
        where d.state in ({from:Claimed}) and d.lane = lane.value and d.run_at <= (select {in_ms:-@overdue_ms})
            and (d.rescues = 0 or @with_rescued = 1)
        order by d.run_at, d.id
        limit (select (@limit + max(count(*), 1) - 1) / max(count(*), 1) from open)
    )
)
select id, uncalled from {one_rescued_at_most} few
order by random()
limit @limit
