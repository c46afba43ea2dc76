-- What keeps deletions from being called: pauses by operators, and breakers. The first was there before, but never used.

drop table sexton_control;

-- What operators paused, now and before.
create table sexton_control (
    -- A resource, resource.target, or (hard deletes).
    scope text not null,
    -- Since when.
    paused_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- By whom.
    paused_by text not null,
    -- Why.
    reason text,
    -- Until when; null while it is paused.
    resumed_at text,
    -- Who resumed it.
    resumed_by text,
    primary key (scope, paused_at)
);

create unique index sexton_control_paused on sexton_control (scope) where resumed_at is null;

-- Targets that are left alone. A target without a row is called.
create table sexton_breaker (
    -- resource.target.
    lane text primary key,
    -- failures, unauthorized, gone (until an operator resumes it) or throttled (until a time).
    cause text not null,
    -- What was seen.
    reason text not null,
    -- Since when.
    since text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- When it may be probed, or when throttling ends.
    until text,
    -- Probes so far; the pause between them doubles.
    probes integer not null default 0,
    constraint sexton_breaker_cause check (cause in ('failures', 'unauthorized', 'gone', 'throttled')),
    constraint sexton_breaker_until check ((cause = 'gone') = (until is null))
);
