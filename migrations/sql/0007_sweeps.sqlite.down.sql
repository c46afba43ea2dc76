alter table sexton_sweep drop column ran_at;
alter table sexton_sweep drop column took_ms;
alter table sexton_sweep drop column found;
alter table sexton_sweep drop column done;
alter table sexton_sweep drop column backlog;
alter table sexton_sweep drop column oldest_at;
alter table sexton_sweep drop column cut_short;
alter table sexton_sweep drop column error;
