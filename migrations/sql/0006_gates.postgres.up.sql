-- What keeps deletions from being called: pauses by operators, and breakers. The first was there before, but never used.

drop table sexton_control;

create table sexton_control (
    scope text not null,
    paused_at timestamptz not null default clock_timestamp(),
    paused_by text not null,
    reason text,
    resumed_at timestamptz,
    resumed_by text,
    primary key (scope, paused_at)
);

create unique index sexton_control_paused on sexton_control (scope) where resumed_at is null;

comment on table sexton_control is 'What operators paused, now and before.';
comment on column sexton_control.scope is 'A resource, resource.target, or (hard deletes).';
comment on column sexton_control.paused_at is 'Since when.';
comment on column sexton_control.paused_by is 'By whom.';
comment on column sexton_control.reason is 'Why.';
comment on column sexton_control.resumed_at is 'Until when; null while it is paused.';
comment on column sexton_control.resumed_by is 'Who resumed it.';

create table sexton_breaker (
    lane text primary key,
    cause text not null,
    reason text not null,
    since timestamptz not null default clock_timestamp(),
    until timestamptz,
    probes integer not null default 0,
    constraint sexton_breaker_cause check (cause in ('failures', 'unauthorized', 'gone', 'throttled')),
    constraint sexton_breaker_until check ((cause = 'gone') = (until is null))
);

comment on table sexton_breaker is 'Targets that are left alone. A target without a row is called.';
comment on column sexton_breaker.lane is 'resource.target.';
comment on column sexton_breaker.cause is 'failures, unauthorized, gone (until an operator resumes it) or throttled (until a time).';
comment on column sexton_breaker.reason is 'What was seen.';
comment on column sexton_breaker.since is 'Since when.';
comment on column sexton_breaker.until is 'When it may be probed, or when throttling ends.';
comment on column sexton_breaker.probes is 'Probes so far; the pause between them doubles.';
