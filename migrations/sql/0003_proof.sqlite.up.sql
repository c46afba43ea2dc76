-- What only this database knows.
create table sexton_secret (
    -- key_salt: hashed together with keys of which only the hash is kept.
    name text primary key,
    -- The secret, made when this table was.
    value text not null,
    -- When.
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

-- With the deletion, so that prune can go on where it stopped.
drop index sexton_attempt_at;
create index sexton_attempt_at on sexton_attempt (at, deletion_id);

-- Export and prune go through the finished deletions in the order of time.
create index sexton_deletion_done_finished on sexton_deletion_done (finished_at, id);
create index sexton_deletion_done_key_hash on sexton_deletion_done (resource, key_hash, finished_at) where key_hash is not null;
-- Those whose row may still be there with its marker.
create index sexton_deletion_done_stays on sexton_deletion_done (finished_at, id)
    where row_outcome = 'kept' or cancelled_by in ('discarded', 'restored');
create index sexton_deletion_done_refs on sexton_deletion_done (finished_at, id) where refs is not null;
