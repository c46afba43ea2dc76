-- look for partitions of old months
select c.relname::text as name
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = @parent::regclass and c.relname ~ '^sexton_deletion_done_[0-9]{6}$'
    and to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= @cutoff::timestamptz at time zone 'UTC'
order by c.relname
