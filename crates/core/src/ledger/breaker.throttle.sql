-- throttle a target
insert into {breaker} as b (lane, cause, reason, until) values (@lane, {cause:Throttled}, @reason, {in_ms:@time_ms})
on conflict (lane) do update set
    reason = excluded.reason, until = excluded.until,
    since = case when b.until < {in_ms:-@ends_ms} then {now} else b.since end,
    probes = case when b.until < {in_ms:-@ends_ms} then 0 else b.probes end
where b.cause = {cause:Throttled} and b.until < excluded.until
