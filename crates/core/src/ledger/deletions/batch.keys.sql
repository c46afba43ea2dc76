-- read the keys of a batch
select key from {deletion}
where resource = @resource and key {any_text:@keys} and batch_id = {uuid:@batch}
union
select coalesce(key, key_hash) as key from {done}
where resource = @resource and (key {any_text:@keys} or key_hash {any_text:@hashes})
    and batch_id = {uuid:@batch}
