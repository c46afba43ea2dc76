alter table sexton_deletion drop column delete_limit_ms;
