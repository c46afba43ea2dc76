-- read the columns of a table
select
    a.attname::text as name,
    format_type(a.atttypid, a.atttypmod) as type_name,
    (
        with recursive base (oid, below) as (
            select t.oid, t.typbasetype
            union all
            select b.oid, b.typbasetype from base join pg_type b on b.oid = base.below
        )
        -- A cast to `character` without a length would keep one character; `bpchar` has no length.
        select case base.oid when 'pg_catalog.bpchar'::regtype then 'bpchar' else format_type(base.oid, null) end
        from base where base.below = 0
    ) as base_type,
    a.attnotnull or t.typnotnull as not_null,
    a.attgenerated <> '' as generated,
    case when a.attgenerated = 'v' then pg_get_expr(d.adbin, d.adrelid) end as computed_as,
    (select c.collname::text from pg_collation c where c.oid = a.attcollation and not c.collisdeterministic) as loose_collation
from pg_attribute a
join pg_type t on t.oid = a.atttypid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = @oid::bigint::oid and a.attnum > 0 and not a.attisdropped
order by a.attnum
