-- end deletions of a resource that is not configured
with stranded as materialized ({stranded})
update {deletion}
set state = {to:Abandoned}, dead_kind = {dead_kind:TargetNotConfigured}, dead_at = {now},
    last_error_kind = {dead_kind:TargetNotConfigured},
    last_error = 'no process has ' || lane || ' in its configuration'
where id in (select stranded.id from stranded)
returning {text:id} as id
