-- see how lanes stand
select lane,
    coalesce(sum(case when state = {pending} and run_at <= {now_once} then 1 else 0 end), 0) as due,
    coalesce(sum(case when state = {pending} and run_at > {now_once} then 1 else 0 end), 0) as later,
    coalesce(sum(case when state = {running} then 1 else 0 end), 0) as running,
    coalesce(sum(case when held_at is not null then 1 else 0 end), 0) as held,
    {ms_since:min(case when state = {pending} and run_at <= {now_once} then run_at end)} as oldest
from {deletion}
where state in ({pending}, {running})
group by lane
order by lane
