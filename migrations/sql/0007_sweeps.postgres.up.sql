-- What each sweep's runs came to, so that one that does not get ahead is seen.
alter table sexton_sweep
    add column ran_at timestamptz,
    add column took_ms bigint,
    add column found bigint not null default 0,
    add column done bigint not null default 0,
    add column backlog bigint not null default 0,
    add column oldest_at timestamptz,
    add column cut_short integer not null default 0,
    add column error text;

comment on column sexton_sweep.last_run_at is 'When its last pass was over.';
comment on column sexton_sweep.figures is 'What the last complete pass found and did.';
comment on column sexton_sweep.ran_at is 'When its last run ended, a run being a part of a pass.';
comment on column sexton_sweep.took_ms is 'How long the last run took.';
comment on column sexton_sweep.found is 'What the pass has found so far.';
comment on column sexton_sweep.done is 'How much of it was dealt with.';
comment on column sexton_sweep.backlog is 'How much of it is left as it is.';
comment on column sexton_sweep.oldest_at is 'Since when the oldest of what is left has been so.';
comment on column sexton_sweep.cut_short is 'How many runs one after the other ended because their budget was used up.';
comment on column sexton_sweep.error is 'Why the last run failed; null if it did not.';
