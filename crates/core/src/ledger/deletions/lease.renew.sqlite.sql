-- renew leases
update {deletion}
set lease_until = {in_ms:@lease_ms}
where state in ({from:Finished})
    and (id, fence) in (select json_extract(value, '$.id'), json_extract(value, '$.fence') from json_each(@leases))
returning id, true as renewed
