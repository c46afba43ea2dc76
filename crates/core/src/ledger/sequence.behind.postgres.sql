-- look at sequences
-- The view says null where the role may not look, and where the sequence was never used.
with taken as (
    select coalesce(max(id), 0) as last from {action}
), sequence as (
    select c.oid, coalesce(s.last_value, 0) as last
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_sequences s on s.schemaname = n.nspname and s.sequencename = c.relname
    where c.oid = pg_get_serial_sequence({action_name}, 'id')::regclass
)
select coalesce((
    select sequence.last < taken.last and has_sequence_privilege(sequence.oid, 'SELECT, USAGE') from sequence, taken
), false) as behind
