-- read old failed attempts
-- Scalar queries, for the reason that `IS_NEWEST` gives.
select {text:a.deletion_id} as id, {text:a.at} as at,
    (select 1 from {deletion} o where o.id = a.deletion_id limit 1) is null
    and (select 1 from {done} n where n.id = a.deletion_id limit 1) is null as gone
from {attempt} a
where a.at < {timestamptz:@cutoff} {after}
order by a.at, a.deletion_id
limit @limit
