-- move deletions to the finished ones
with ours as materialized (
    select d.id
    from {deletion} d
    where d.id in (select value::uuid from {texts:@deletions} wanted) and d.state in ({states_before})
    order by d.id
    for update of d
),
gone as (
    delete from {deletion} d using ours
    where d.id = ours.id and d.state in ({states_before})
    returning d.*
)
insert into {done} ({copied_columns}, children_deleted, confirmations, state, {why})
select {copied}, children_deleted, confirmations, {state_after}, @why
from gone d
returning id::text as id
