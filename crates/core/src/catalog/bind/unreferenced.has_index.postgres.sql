-- look for an index on a foreign key
select exists (
    select 1
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am m on m.oid = c.relam
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = @table::text::regclass
        and i.indisvalid
        and m.amname in ('btree', 'hash')
        and a.attname::text in (select jsonb_array_elements_text(@columns::jsonb))
        and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname))
) as found
