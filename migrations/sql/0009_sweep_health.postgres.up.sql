-- So that a sweep that does nothing about what it finds is seen.
alter table sexton_sweep add column stalled integer not null default 0;

comment on column sexton_sweep.stalled is 'How many passes one after the other left all that was to be dealt with, or runs did not move.';
