-- For the SQL functions of PostgreSQL, which SQLite does not have.
select 1;
