-- take the lead of a sweep
insert into {sweep} as s (name, leader, lease_until) values (@name, @leader, {in_ms:@lease_ms})
on conflict (name) do update set leader = excluded.leader, lease_until = excluded.lease_until
where (s.lease_until is null or s.lease_until < {now} or s.leader = excluded.leader)
    and (s.last_run_at is null or s.last_run_at <= {in_ms:-@every_ms} or s.cut_short > 0)
returning {text:cursor} as cursor
