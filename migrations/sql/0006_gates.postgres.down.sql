drop table sexton_breaker;
drop table sexton_control;

create table sexton_control (
    scope text primary key,
    paused_at timestamptz not null default clock_timestamp(),
    paused_by text not null,
    reason text
);
