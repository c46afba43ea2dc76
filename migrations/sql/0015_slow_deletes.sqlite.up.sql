-- SQLite knows no limit for a statement; the column is there so that both ledgers are read alike.
alter table sexton_deletion add column delete_limit_ms integer check (delete_limit_ms > 0);
