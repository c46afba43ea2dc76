-- For the SQL functions of PostgreSQL, which SQLite does not have: always null. (`sexton migrate` writes the statements of
-- phase 1 and of restoring here.)
alter table sexton_resource add column statements text;
