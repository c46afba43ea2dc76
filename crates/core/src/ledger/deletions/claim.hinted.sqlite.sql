-- choose hinted deletions to claim
with due as (
    select d.id, d.rescues, d.called_at is null as uncalled
    from {deletion} d
    where d.id {any_uuid:@ids} and d.state in ({from:Claimed}) and (d.run_at <= {now_once} or d.held_at is not null)
        and d.lane {any_text:@lanes} and (d.rescues = 0 or @with_rescued = 1)
    order by d.id
)
select id, uncalled from {one_rescued_at_most} few
