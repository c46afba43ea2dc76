-- let deletions wait for new ones
insert into {wait} (deletion_id, child_id)
select x.parent, x.child
from (select value ->> 'parent' as parent, value ->> 'child' as child from json_each(@pairs)) x
where true
on conflict do nothing
