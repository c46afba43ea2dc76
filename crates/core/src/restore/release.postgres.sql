-- let the deletions of a batch be claimed again
update {deletion} d
set run_at = held.run_at
from jsonb_to_recordset(@held::jsonb) as held(id uuid, run_at timestamptz, held_until timestamptz)
-- Another restore may hold them for longer by now.
where d.id = held.id and d.state in ({from:Claimed}) and d.run_at = held.held_until
