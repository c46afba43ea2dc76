-- find what waits for a deletion
-- The lateral join looks up waits by index for each row, also by a planner that knows nothing of the table.
with recursive up (id, steps) as (
    select w.deletion_id, 1 from {wait} w where w.child_id = @id::uuid
    union
    select w.deletion_id, up.steps + 1
    from up cross join lateral (select o.deletion_id from {wait} o where o.child_id = up.id offset 0) w
)
select p.id::text as id
from up
join {deletion} p on p.id = up.id
group by p.id
order by min(up.steps), p.id
