-- list the lanes of what is pending
with recursive known (lane) as (
    select min(d.lane) from {deletion} d where d.state in ({from:Claimed})
    union all
    select (select min(d.lane) from {deletion} d where d.state in ({from:Claimed}) and d.lane > known.lane)
    from known
    where known.lane is not null
)
select lane from known where lane is not null
