drop index sexton_deletion_waiting;
alter table sexton_deletion drop column children_deleted;
drop table sexton_wait;
drop table sexton_child;
