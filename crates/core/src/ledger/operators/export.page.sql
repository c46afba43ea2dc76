-- read finished deletions
-- The order and its columns are qualified: the names alone mean the texts that are selected.
select {text:id} as id, {text:finished_at} as at, {done_columns}
from {done}
where sexton_deletion_done.finished_at >= {timestamptz:@since} and sexton_deletion_done.finished_at < {timestamptz:@until}
    {after} {of_resource}
order by sexton_deletion_done.finished_at, sexton_deletion_done.id
limit @limit
