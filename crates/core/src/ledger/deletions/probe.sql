-- draw deletions to probe a target with
-- Not the oldest alone: those may be the very deletions that fail, and all others would wait for them. Some of the oldest,
-- some of the newest and some from a time between them are read off the index, however many are due.
with oldest as (
    select d.id, d.last_error_kind, d.rescues from {deletion} d where {is_due} order by d.run_at, d.id limit 20
),
newest as (
    select d.id, d.last_error_kind, d.rescues from {deletion} d where {is_due} order by d.run_at desc, d.id desc limit 20
),
between_them as (
    select d.id, d.last_error_kind, d.rescues from {deletion} d
    where {is_due} and d.run_at >= {time_between}
    order by d.run_at, d.id limit 20
),
-- What is held waits for other answers; it is asked if there is nothing else.
held as (
    select d.id from {deletion} d
    where d.state in ({from:Claimed}) and d.lane = @lane and d.held_at is not null
    order by d.held_at limit 20
),
drawn as (
    select id, case when rescues > 0 then 2 when last_error_kind is null then 0 else 1 end as turn
    from (select * from oldest union select * from newest union select * from between_them) due
    union all
    select id, 3 from held
)
select {text:id} as id from drawn order by turn, random() limit @limit
-- where {is_due} is
d.state in ({from:Claimed}) and d.lane = @lane and d.run_at <= {now_once} and d.held_at is null
