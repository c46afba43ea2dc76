-- lock links between deletions
-- A transaction that lets the second of two deletions wait for the first at this moment comes before or after us. Not by
-- locks on the deletions: a caller's long transaction must not keep their workers from writing back or renewing.
select pg_advisory_xact_lock({linking}, place) from (
    select distinct abs(hashtext(value) % {locks}) as place
    from jsonb_array_elements_text(@deletions::jsonb)
    order by place
) x
