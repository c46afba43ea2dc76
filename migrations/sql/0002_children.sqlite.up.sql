-- Rows that were marked with their parent and have no deletion of their own for it. They go when it goes.
create table sexton_child (
    -- The deletion of the parent.
    deletion_id text not null,
    -- The child's resource.
    resource text not null,
    -- The child's key, as in sexton_deletion.
    key text not null,
    -- Which marker was written: its place in marker_when, then marker.
    marker_rule integer not null default 0,
    -- The column that phase 1 wrote.
    marker_column text,
    -- What phase 1 wrote there, as text.
    marker_value text,
    -- What had been there before.
    marker_before text,
    primary key (deletion_id, resource, key)
);

create index sexton_child_key on sexton_child (resource, key);

-- Which deletion waits for which: a parent for its children. There are no circles in it.
create table sexton_wait (
    -- The deletion that waits.
    deletion_id text not null,
    -- The open or dead deletion that it waits for.
    child_id text not null,
    primary key (deletion_id, child_id)
);

create index sexton_wait_child on sexton_wait (child_id);

-- How many children went already: very many go before their parent, in transactions of their own.
alter table sexton_deletion add column children_deleted integer not null default 0;

create index sexton_deletion_waiting on sexton_deletion (run_at) where state = 'waiting';
