-- read what is due in a lane
-- The columns are qualified, so that `order by` means them and their index, not the texts that are selected.
select {text:d.id} as id, d.fence, {text:d.run_at} as run_at
from {deletion} d
where d.state in ({from:Claimed}) and d.lane = @lane and d.run_at <= {now_once} and d.rescues = 0
    {beyond}
order by d.run_at, d.id
limit @limit
