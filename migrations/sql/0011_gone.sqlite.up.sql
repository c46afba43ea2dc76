-- Targets whose "gone" is no surprise: the answer to a call was lost, or an operator looked.
alter table sexton_deletion add column gone_expected text not null default '[]';
-- When a target said "gone" unexpectedly: the row waits until other answers show whether that can be believed.
alter table sexton_deletion add column held_at text;

-- What is held is few; how many, and how new, is read every second.
create index sexton_deletion_held on sexton_deletion (lane, held_at) where held_at is not null;
