-- open a breaker
insert into {breaker} as b (lane, cause, reason, until)
values (@lane, @cause, @reason, case when @first_probe_ms is null then null else {in_ms:@first_probe_ms} end)
on conflict (lane) do update set
    cause = excluded.cause, reason = excluded.reason, until = excluded.until, since = {now}, probes = 0
where b.cause = {cause:Throttled} or (excluded.cause = {cause:Gone} and b.cause <> {cause:Gone})
