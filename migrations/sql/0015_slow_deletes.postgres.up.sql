-- A row whose DELETE takes longer than the limit goes alone from then on, with a limit of its own.
alter table sexton_deletion add column delete_limit_ms bigint check (delete_limit_ms > 0);
comment on column sexton_deletion.delete_limit_ms is
    'How long the next DELETE of the row may take, in milliseconds. Null while worker.delete_timeout was long enough.';
