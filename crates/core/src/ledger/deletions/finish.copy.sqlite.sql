-- finish deletions
insert into {done} ({copied_columns}, confirmations, row_outcome, children_deleted, state, refs)
select {copied},
    json_extract(x.value, '$.confirmations'),
    json_extract(x.value, '$.row_outcome'),
    d.children_deleted + json_extract(x.value, '$.children'),
    {to:Finished},
    {refs}
from {deletion} d
join json_each(@finished) x on d.id = json_extract(x.value, '$.id') and d.fence = json_extract(x.value, '$.fence')
where d.state in ({from:Finished})
returning id
