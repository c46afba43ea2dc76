-- look for claimed deletions
select d.id as id
from {deletion} d
join json_each(@claims) x
    on d.id = json_extract(x.value, '$.id') and d.fence = json_extract(x.value, '$.fence')
where d.state in ({from:Finished})
