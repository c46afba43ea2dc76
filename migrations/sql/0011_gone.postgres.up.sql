alter table sexton_deletion add column gone_expected jsonb not null default '[]';
alter table sexton_deletion add column held_at timestamptz;
comment on column sexton_deletion.gone_expected is 'Targets whose "gone" is no surprise: the answer to a call was lost, or an operator looked.';
comment on column sexton_deletion.held_at is 'When a target said "gone" unexpectedly: the row waits until other answers show whether that can be believed.';

-- What is held is few; how many, and how new, is read every second.
create index sexton_deletion_held on sexton_deletion (lane, held_at) where held_at is not null;
