-- renew leases
-- The rows are locked in the order of their ids, as settling does: two statements of one process must not wait for each
-- other.
with ours as materialized (
    select d.id
    from {deletion} d
    join jsonb_to_recordset(@leases::jsonb) as x(id uuid, fence bigint) on x.id = d.id and x.fence = d.fence
    where d.id {any_id_of:@leases} and d.state in ({from:Finished})
    order by d.id
    for update of d
)
update {deletion} d
set lease_until = {in_ms:@lease_ms}
where d.id = any (array(select id from ours))
returning d.id::text as id
