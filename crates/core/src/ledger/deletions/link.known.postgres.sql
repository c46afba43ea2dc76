-- let a deletion wait for another
-- The lateral join looks up waits by index for each row, also by a planner that knows nothing of the table.
insert into {wait} (deletion_id, child_id)
select x.parent, x.child
from jsonb_to_recordset(@pairs::jsonb) as x(parent uuid, child uuid)
where not exists (
    with recursive way (id) as (
        select x.child
        union
        select w.child_id
        from way cross join lateral (select o.child_id from {wait} o where o.deletion_id = way.id offset 0) w
    )
    select 1 from way where way.id = x.parent
)
on conflict do nothing
