-- How many passes one after the other left all that was to be dealt with, or runs did not move.
alter table sexton_sweep add column stalled integer not null default 0;
