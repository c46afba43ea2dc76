-- write a resource's definition
insert into {resource} (name, definition, statements) values (@name, {jsonb:@definition}, {jsonb:@statements})
on conflict (name) do update set
    definition = excluded.definition, statements = excluded.statements, migrated_at = {now}
