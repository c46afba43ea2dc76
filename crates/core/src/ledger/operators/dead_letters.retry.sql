-- retry dead deletions
-- What died of its children's deletions is retried with those of them that are dead, and with a child's all that died of it.
with recursive below (id) as (
    select {uuid:value} from {texts:@deletions} wanted
    union
    select w.child_id
    from {wait} w
    join below on below.id = w.deletion_id
    join {deletion} p on p.id = w.deletion_id and p.dead_kind = {dead_kind:ChildDead}
),
related (id) as (
    select id from below
    union
    select w.deletion_id
    from {wait} w
    join related on related.id = w.child_id
    join {deletion} p on p.id = w.deletion_id and p.dead_kind = {dead_kind:ChildDead}
)
update {deletion}
set state = {to:Retried}, run_at = {now}, attempts = 0, rescues = 0, first_attempt_at = null, dead_kind = null, dead_at = null
where id in (select related.id from related) and state in ({from:Retried})
returning {text:id} as id
