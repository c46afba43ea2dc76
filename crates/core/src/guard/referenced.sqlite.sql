-- keep a row that nothing references from being referenced too late
    select raise(abort, {message}) from {table} t where {is_referenced} and t.{since} is not null and {is_hidden};
    update {table} set {since} = null where {is_referenced_without_alias} and {since} is not null;
