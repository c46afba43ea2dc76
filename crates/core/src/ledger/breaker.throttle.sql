-- throttle a target
insert into {breaker} as b (lane, cause, reason, until) values (@lane, 'throttled', @reason, {in_ms:@time_ms})
on conflict (lane) do update set
    reason = excluded.reason, until = excluded.until,
    since = case when b.until < {now} then {now} else b.since end
where b.cause = 'throttled' and b.until < excluded.until
