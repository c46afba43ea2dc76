-- keep a row that nothing references from being referenced too late
<<guard>>
declare
    is_marked boolean;
    is_hidden boolean;
begin
    {ensure_own_table}
    select t.{since} is not null, {is_hidden} into guard.is_marked, guard.is_hidden from {table} t where {is_referenced} for key share;
    if guard.is_marked is not true then
        return null;
    end if;
    if guard.is_hidden then
        raise foreign_key_violation using message = {message}, schema = tg_table_schema, table = tg_table_name, constraint = tg_name,
            hint = 'It is about to be deleted; choose another, or clear its ' || {since_name} || ' first.';
    end if;
    perform 1 from {table} t where {is_referenced} for no key update skip locked;
    if found then
        perform set_config('search_path', {owners_path}, true);
        update {table} t set {since} = null where {is_referenced} and t.{since} is not null;
    end if;
    return null;
end
