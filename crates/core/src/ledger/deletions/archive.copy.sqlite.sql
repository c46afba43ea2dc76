-- move deletions to the finished ones
insert into {done} ({copied_columns}, children_deleted, confirmations, state, {why})
select {copied}, children_deleted, confirmations, {state_after}, @why
from {deletion} d
where d.id in (select value from {texts:@deletions} wanted) and d.state in ({states_before})
returning id
