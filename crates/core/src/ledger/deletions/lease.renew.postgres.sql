-- renew leases
-- What is locked is passed over: a transaction of this process that deletes its row may take long, and the other leases must
-- not wait for it. Nobody takes it meanwhile, because a rescue passes over it as well.
with claimed as (
    select d.id, d.state
    from {deletion} d
    join jsonb_to_recordset(@leases::jsonb) as x(id uuid, fence bigint) on x.id = d.id and x.fence = d.fence
    where d.id {any_id_of:@leases} and d.state in ({from:Finished})
),
free as materialized (
    select d.id
    from {deletion} d
    join jsonb_to_recordset(@leases::jsonb) as x(id uuid, fence bigint) on x.id = d.id and x.fence = d.fence
    where d.id {any_id_of:@leases} and d.state in ({from:Finished})
    order by d.id
    for update of d skip locked
),
renewed as (
    update {deletion} d
    set lease_until = {in_ms:@lease_ms}
    where d.id = any (array(select id from free))
    returning d.id
)
select id::text as id, true as renewed from renewed
union all
select id::text, false from claimed where id not in (select id from free)
