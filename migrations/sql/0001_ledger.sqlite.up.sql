-- The ledger on SQLite. Times are UTC text that sorts (2026-01-31T23:59:59.999Z); ids and JSON are text.
-- docs/states.md explains the states; crates/core/src/state.rs is what the checks mirror.

-- Deletions that are open or dead. Small and hot; what is finished moves to sexton_deletion_done.
create table sexton_deletion (
    -- UUIDv7, made by the producer.
    id text primary key,
    -- Name of the resource in sexton.toml.
    resource text not null,
    -- Key of the row as the database prints it; a composite key is a JSON array in configured order.
    key text not null,
    -- The resource, or resource.target of the first unconfirmed target: what dispatch shares fairly.
    lane text not null,
    -- pending, waiting, running or dead.
    state text not null,
    -- confirm: targets are asked; remove: they confirmed, and the row is deleted later.
    phase text not null default 'confirm',
    -- Due from this time on, by the database's clock.
    run_at text not null,
    -- Number of claims; only grows, and every write of a worker filters on it.
    fence integer not null default 0,
    -- Claims that count against max_attempts.
    attempts integer not null default 0,
    -- Leases in a row that expired under a worker.
    rescues integer not null default 0,
    -- Until when the claim is valid without renewal.
    lease_until text,
    -- The process that holds the claim.
    worker text,
    -- When it was first claimed; give_up_after counts from here.
    first_attempt_at text,
    -- When the first external call was about to be made; restorable only while null.
    called_at text,
    -- The target with repeatable = false whose call is in flight.
    calling text,
    -- Groups the deletions of one request.
    batch_id text not null,
    -- The deletion that waits for this one.
    parent_id text,
    -- Which marker was written: its place in marker_when, then marker.
    marker_rule integer not null default 0,
    -- The column that phase 1 wrote.
    marker_column text,
    -- What phase 1 wrote there, as text.
    marker_value text,
    -- What had been there before.
    marker_before text,
    -- Names of the targets required when it was requested.
    targets text not null default '[]',
    -- Target -> when and with which answer it confirmed.
    confirmations text not null default '{}',
    -- The row's values that templates, skip_when_null and markers use, as text. Scrubbed when finished.
    payload text not null default '{}',
    -- When it was requested.
    requested_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- Who requested it.
    requested_by text not null,
    -- Why it was requested.
    reason text,
    -- Status and reason of the last failure; never a body or a value.
    last_error text,
    -- The class of the last failure.
    last_error_kind text,
    -- When it died.
    dead_at text,
    -- Why it is dead; docs/runbook.md has a section for each.
    dead_kind text,
    -- W3C traceparent of the request.
    trace_context text,
    constraint sexton_deletion_state check (state in ('pending', 'waiting', 'running', 'dead')),
    constraint sexton_deletion_phase check (phase in ('confirm', 'remove')),
    constraint sexton_deletion_lease check ((state = 'running') = (lease_until is not null and worker is not null)),
    constraint sexton_deletion_dead check ((state = 'dead') = (dead_kind is not null and dead_at is not null)),
    constraint sexton_deletion_calling check (calling is null or state = 'running'),
    constraint sexton_deletion_counts check (fence >= 0 and attempts >= 0 and rescues >= 0)
);


-- One open or dead deletion of a row: asking again finds the open one, and supersedes the dead one.
create unique index sexton_deletion_key on sexton_deletion (resource, key);
create index sexton_deletion_due on sexton_deletion (lane, run_at, id) where state = 'pending';
create index sexton_deletion_lease on sexton_deletion (lease_until) where state = 'running';
create index sexton_deletion_rescued on sexton_deletion (run_at) where state = 'pending' and rescues > 0;
create index sexton_deletion_dead_letters on sexton_deletion (dead_at, id) where state = 'dead';
create index sexton_deletion_batch on sexton_deletion (batch_id);
create index sexton_deletion_parent on sexton_deletion (parent_id) where parent_id is not null;

-- Finished deletions: the proof. 
create table sexton_deletion_done (
    -- The deletion.
    id text not null,
    -- Name of the resource.
    resource text not null,
    -- Key of the row, unless only its hash is kept.
    key text,
    -- Salted hash of the key, when hash_key is set.
    key_hash text,
    -- completed or cancelled.
    state text not null,
    -- restored, discarded or superseded.
    cancelled_by text,
    -- Number of claims.
    fence integer not null,
    -- Claims that counted.
    attempts integer not null,
    -- Leases in a row that had expired.
    rescues integer not null,
    -- When the first external call was about to be made.
    called_at text,
    -- Groups the deletions of one request.
    batch_id text not null,
    -- The deletion that waited for this one.
    parent_id text,
    -- The column that phase 1 wrote.
    marker_column text,
    -- What phase 1 wrote there.
    marker_value text,
    -- Names of the targets required when it was requested.
    targets text not null,
    -- Target -> when and with which answer it confirmed.
    confirmations text not null,
    -- Columns kept for a while for later checks; null when scrubbed.
    refs text,
    -- When it was requested.
    requested_at text not null,
    -- Who requested it.
    requested_by text not null,
    -- Why it was requested.
    reason text,
    -- When it finished; the row went in the same transaction.
    finished_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- deleted: by Sexton; already_gone: by somebody else; kept: it stays, marked.
    row_outcome text,
    -- How many children went with the row.
    children_deleted integer not null default 0,
    -- The last failure on the way.
    last_error text,
    -- Its class.
    last_error_kind text,
    -- W3C traceparent of the request.
    trace_context text,
    primary key (id, finished_at),
    constraint sexton_deletion_done_state check (state in ('completed', 'cancelled')),
    constraint sexton_deletion_done_cancelled check ((state = 'cancelled') = (cancelled_by is not null)),
    constraint sexton_deletion_done_cancelled_by check (cancelled_by in ('restored', 'discarded', 'superseded')),
    constraint sexton_deletion_done_row check ((state = 'completed') = (row_outcome is not null)),
    constraint sexton_deletion_done_row_outcome check (row_outcome in ('deleted', 'already_gone', 'kept'))
);


create index sexton_deletion_done_key on sexton_deletion_done (resource, key, finished_at);
create index sexton_deletion_done_batch on sexton_deletion_done (batch_id);

-- Failed attempts. Never bodies, never URLs with values.
create table sexton_attempt (
    -- The deletion.
    deletion_id text not null,
    -- The claim under which it was made.
    fence integer not null,
    -- The target that was called, or `row` when the database refused.
    target text not null,
    -- When it failed.
    at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- The class of the failure.
    outcome text not null,
    -- HTTP status, if there was an answer.
    status integer,
    -- Short reason code.
    reason text not null,
    -- How long the call took.
    duration_ms integer not null,
    -- The process that made it.
    worker text not null,
    primary key (deletion_id, fence, target)
);

create index sexton_attempt_at on sexton_attempt (at);

-- What operators did.
create table sexton_action (
    -- In order of time.
    id integer primary key autoincrement,
    -- When.
    at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- Who.
    who text not null,
    -- What: retry, discard, restore, pause, resume.
    action text not null,
    -- To which deletion, if to one.
    deletion_id text,
    -- Filters and figures of a bulk action.
    detail text not null default '{}',
    -- Why.
    reason text
);

create index sexton_action_deletion on sexton_action (deletion_id) where deletion_id is not null;

-- The resource definitions that producers and workers agree on; written by `sexton migrate`.
create table sexton_resource (
    -- Name of the resource.
    name text primary key,
    -- Table, key, markers, then, grace and the columns of each target.
    definition text not null,
    -- When `migrate` last wrote it.
    migrated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);


-- Leader, cursor and figures of each sweep.
create table sexton_sweep (
    -- Name of the sweep.
    name text primary key,
    -- The process that runs it.
    leader text,
    -- Until when it may, without renewal.
    lease_until text,
    -- Where the next run goes on.
    cursor text not null default '{}',
    -- What the last run found and did.
    figures text not null default '{}',
    -- When it last ran.
    last_run_at text,
    constraint sexton_sweep_leader check ((leader is null) = (lease_until is null))
);

-- What operators paused.
create table sexton_control (
    -- A lane, a resource, or hard_deletes.
    scope text primary key,
    -- Since when.
    paused_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- By whom.
    paused_by text not null,
    -- Why.
    reason text
);

