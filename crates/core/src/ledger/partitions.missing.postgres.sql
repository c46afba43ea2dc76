-- look for missing partitions
select to_char(m, 'YYYYMM') as month, to_char(m, 'YYYY-MM-DD') as first,
    to_char(m + interval '1 month', 'YYYY-MM-DD') as next
from generate_series(
    date_trunc('month', clock_timestamp() at time zone 'UTC'),
    date_trunc('month', clock_timestamp() at time zone 'UTC') + interval '3 months',
    interval '1 month'
) m
where not exists (
    select 1
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = @parent::regclass and c.relname = 'sexton_deletion_done_' || to_char(m, 'YYYYMM')
)
