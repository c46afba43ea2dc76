-- let the deletions of a batch be claimed again
update {deletion} d
set run_at = postponed.run_at
from jsonb_to_recordset(@postponed::jsonb) as postponed(id uuid, run_at timestamptz, postponed_until timestamptz)
-- Another restore may have postponed them for longer by now.
where d.id = postponed.id and d.state in ({from:Claimed}) and d.run_at = postponed.postponed_until
