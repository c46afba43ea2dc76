-- Only SQL functions of PostgreSQL change, which SQLite does not have.
select 1;
