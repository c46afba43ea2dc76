drop table sexton_breaker;
drop table sexton_control;

create table sexton_control (
    scope text primary key,
    paused_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    paused_by text not null,
    reason text
);
