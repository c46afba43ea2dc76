-- mend sequences
select setval(pg_get_serial_sequence({action_name}, 'id')::regclass, (select max(id) from {action})) as mended
