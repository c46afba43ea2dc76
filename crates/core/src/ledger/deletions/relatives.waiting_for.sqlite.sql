-- find what waits for a deletion
with recursive up (id, steps) as (
    select w.deletion_id, 1 from {wait} w where w.child_id = @id
    union
    select w.deletion_id, up.steps + 1 from up join {wait} w on w.child_id = up.id
)
select p.id as id
from up
join {deletion} p on p.id = up.id
group by p.id
order by min(up.steps), p.id
