-- claim hinted deletions
-- What is updated is named by an array and not by a join: a planner that knows nothing of the table yet would join the long
-- way.
with due as (
    select d.id, d.lane, d.rescues, d.called_at is null as uncalled, {payload_bytes} as bytes
    from {deletion} d
    where d.id {any_uuid:@ids} and d.state in ({from:Claimed}) and (d.run_at <= {now_once} or d.held_at is not null)
        and d.lane {any_text:@lanes} and (d.rescues = 0 or @with_rescued = 1)
    order by d.id
    for update of d skip locked
),
chosen as (
    select id, uncalled from {one_rescued_at_most} few
    where id in {fits_in_memory}
)
update {deletion} d
set {claimed}
where d.id = any (array(select chosen.id from chosen))
returning {claim_columns}, d.id = any (array(select chosen.id from chosen where chosen.uncalled)) as uncalled
