-- take the right to probe a target
update {breaker}
set probes = probes + 1,
    until = {in_ms:{least:
        {bigint:@interval_ms} * (1 << case when probes < 20 then probes + 1 else 20 end), {bigint:@most_ms}
    }}
where lane = @lane and cause in ({cause:Failures}, {cause:Unauthorized}, {cause:Throttled}) and until <= {now}
