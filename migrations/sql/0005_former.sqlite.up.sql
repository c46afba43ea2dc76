-- Payloads of rows that had this key before and whose twins are still to be deleted.
alter table sexton_deletion add column former text not null default '[]';
