-- let a deletion wait for another
insert into {wait} (deletion_id, child_id)
select x.parent, x.child
from (select value ->> 'parent' as parent, value ->> 'child' as child from json_each(@pairs)) x
where not exists (
    with recursive way (id) as (
        select x.child
        union
        select w.child_id from way join {wait} w on w.deletion_id = way.id
    )
    select 1 from way where way.id = x.parent
)
on conflict do nothing
