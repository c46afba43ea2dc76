drop table sexton_control;
drop table sexton_sweep;
drop table sexton_resource;
drop table sexton_action;
drop table sexton_attempt;
drop table sexton_deletion_done;
drop table sexton_deletion;
