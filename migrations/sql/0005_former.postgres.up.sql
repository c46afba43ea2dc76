alter table sexton_deletion add column former jsonb not null default '[]';
comment on column sexton_deletion.former is 'Payloads of rows that had this key before and whose twins are still to be deleted.';
