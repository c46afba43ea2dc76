-- move on deletions that wait
with ready as materialized (
    select d.id
    from {deletion} d
    where d.state in ({from:ChildrenFinished}) {near} and ({has_dead_child} or {has_no_child})
    order by d.run_at
    limit @limit
    {skip_locked:d}
)
update {deletion} as d
set state = case when {has_dead_child} then {to:ChildDied} else {to:ChildrenFinished} end,
    dead_kind = case when {has_dead_child} then {dead_kind:ChildDead} end,
    dead_at = case when {has_dead_child} then {now} end,
    last_error_kind = case when {has_dead_child} then {dead_kind:ChildDead} else last_error_kind end,
    last_error = case
        when {has_dead_child} then (
            select 'the deletion of its child ' || c.resource || ' is dead: ' || c.id
            from {wait} w
            join {deletion} c on c.id = w.child_id
            where w.deletion_id = d.id and c.dead_kind is not null
            limit 1
        )
        else last_error
    end
where d.id in (select ready.id from ready) and d.state in ({from:ChildrenFinished})
returning {text:id} as id, resource, state
