-- create a partition
-- Filled and then attached: unlike `create … partition of`, attaching lets others go on inserting.
create table {partition} (like {done} including all);
with moved as (delete from {default} where finished_at >= '{first} 00:00:00+00' and finished_at < '{next} 00:00:00+00' returning *)
insert into {partition} select * from moved;
alter table {done} attach partition {partition} for values from ('{first} 00:00:00+00') to ('{next} 00:00:00+00')
