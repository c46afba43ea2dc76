-- finish deletions
with gone as (
    delete from {deletion} d
    using jsonb_to_recordset(@finished::jsonb)
        as x(id uuid, fence bigint, confirmations jsonb, row_outcome text, children int)
    where d.id = x.id and d.id {any_id_of:@finished} and d.fence = x.fence and d.state in ({from:Finished})
    returning d.*, x.confirmations as confirmed, x.row_outcome, d.children_deleted + x.children as children
)
insert into {done} ({copied_columns}, confirmations, row_outcome, children_deleted, state, refs)
select {copied}, confirmed, row_outcome, children, {to:Finished}, {refs}
from gone d
returning id::text as id
