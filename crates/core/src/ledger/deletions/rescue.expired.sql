-- rescue deletions whose lease expired
-- They are chosen in a `with` of its own: a subquery with a limit may be run more than once in a join, and lock more.
with expired as materialized (
    select d.id
    from {deletion} d
    where d.state in ({from:Rescued}) and d.lease_until < {now_once}
    order by d.lease_until
    limit @limit
    {skip_locked:d}
)
update {deletion}
set state = case when calling is not null or rescues + 1 > @max_rescues then {to:Died} else {to:Rescued} end,
    dead_kind = case
        when calling is not null then {dead_kind:UnknownOutcome}
        when rescues + 1 > @max_rescues then {dead_kind:Poison}
    end,
    dead_at = case when calling is not null or rescues + 1 > @max_rescues then {now} end,
    last_error_kind = 'lease_expired',
    last_error = 'the lease of worker ' || worker || ' expired',
    rescues = rescues + 1,
    run_at = {now},
    lease_until = null,
    worker = null,
    calling = null
where id in (select expired.id from expired)
returning {text:id} as id, resource, rescues, dead_kind
