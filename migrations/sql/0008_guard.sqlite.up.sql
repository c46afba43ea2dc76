-- The tables from which Sexton is deleting rows in the transaction that is open; always empty to everybody else, because
-- SQLite has one writer. Guards (`sexton guard`) look here; on PostgreSQL a setting of the transaction says the same.
create table sexton_deleting (
    -- The table's quoted name.
    table_name text primary key
);
