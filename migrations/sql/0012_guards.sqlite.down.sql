alter table sexton_deletion drop column follows;
drop table sexton_guard;
