-- Rows that are removed together with another row, and deletions that wait for others.

create table sexton_child (
    deletion_id uuid not null,
    resource text not null,
    key text not null,
    marker_rule smallint not null default 0,
    marker_column text,
    marker_value text,
    marker_before text,
    primary key (deletion_id, resource, key)
);

comment on table sexton_child is 'Rows that were marked with their parent and have no deletion of their own for it. They go when it goes.';
comment on column sexton_child.deletion_id is 'The deletion of the parent.';
comment on column sexton_child.resource is 'The child''s resource.';
comment on column sexton_child.key is 'The child''s key, as in sexton_deletion.';
comment on column sexton_child.marker_rule is 'Which marker was written: its place in marker_when, then marker.';
comment on column sexton_child.marker_column is 'The column that phase 1 wrote.';
comment on column sexton_child.marker_value is 'What phase 1 wrote there, as text.';
comment on column sexton_child.marker_before is 'What had been there before.';

create index sexton_child_key on sexton_child (resource, key);

create table sexton_wait (
    deletion_id uuid not null,
    child_id uuid not null,
    primary key (deletion_id, child_id)
);

comment on table sexton_wait is 'Which deletion waits for which: a parent for its children. There are no circles in it.';
comment on column sexton_wait.deletion_id is 'The deletion that waits.';
comment on column sexton_wait.child_id is 'The open or dead deletion that it waits for.';

create index sexton_wait_child on sexton_wait (child_id);

-- Very many children go before their parent, in transactions of their own.
alter table sexton_deletion add column children_deleted integer not null default 0;
comment on column sexton_deletion.children_deleted is 'How many children went already.';

create index sexton_deletion_waiting on sexton_deletion (run_at) where state = 'waiting';
