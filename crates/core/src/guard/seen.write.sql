-- write down that a guard is installed
insert into {guard} as g (name, resource, table_name, table_oid, owner, digest, definition)
values (@name, @resource, @table, @table_oid, @owner, @digest, @definition)
on conflict (name) do update set
    resource = excluded.resource, table_name = excluded.table_name, table_oid = excluded.table_oid, owner = excluded.owner,
    digest = excluded.digest, definition = excluded.definition, seen_at = {now}
where g.digest is distinct from excluded.digest or g.definition is distinct from excluded.definition
    or g.owner is distinct from excluded.owner or g.table_oid is distinct from excluded.table_oid
    or g.resource is distinct from excluded.resource or g.table_name is distinct from excluded.table_name
