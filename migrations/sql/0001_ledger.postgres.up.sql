-- The ledger. docs/states.md explains the states; crates/core/src/state.rs is what the checks mirror.

create table sexton_deletion (
    id uuid primary key,
    resource text not null,
    key text not null,
    lane text not null,
    state text not null,
    phase text not null default 'confirm',
    run_at timestamptz not null,
    fence bigint not null default 0,
    attempts integer not null default 0,
    rescues integer not null default 0,
    lease_until timestamptz,
    worker text,
    first_attempt_at timestamptz,
    called_at timestamptz,
    calling text,
    batch_id uuid not null,
    parent_id uuid,
    marker_rule smallint not null default 0,
    marker_column text,
    marker_value text,
    marker_before text,
    targets jsonb not null default '[]',
    confirmations jsonb not null default '{}',
    payload jsonb not null default '{}',
    requested_at timestamptz not null default clock_timestamp(),
    requested_by text not null,
    reason text,
    last_error text,
    last_error_kind text,
    dead_at timestamptz,
    dead_kind text,
    trace_context text,
    constraint sexton_deletion_state check (state in ('pending', 'waiting', 'running', 'dead')),
    constraint sexton_deletion_phase check (phase in ('confirm', 'remove')),
    constraint sexton_deletion_lease check ((state = 'running') = (lease_until is not null and worker is not null)),
    constraint sexton_deletion_dead check ((state = 'dead') = (dead_kind is not null and dead_at is not null)),
    constraint sexton_deletion_calling check (calling is null or state = 'running'),
    constraint sexton_deletion_counts check (fence >= 0 and attempts >= 0 and rescues >= 0)
);

comment on table sexton_deletion is 'Deletions that are open or dead. Small and hot; what is finished moves to sexton_deletion_done.';
comment on column sexton_deletion.id is 'UUIDv7, made by the producer.';
comment on column sexton_deletion.resource is 'Name of the resource in sexton.toml.';
comment on column sexton_deletion.key is 'Key of the row as the database prints it; a composite key is a JSON array in configured order.';
comment on column sexton_deletion.lane is 'The resource, or resource.target of the first unconfirmed target: what dispatch shares fairly.';
comment on column sexton_deletion.state is 'pending, waiting, running or dead.';
comment on column sexton_deletion.phase is 'confirm: targets are asked; remove: they confirmed, and the row is deleted later.';
comment on column sexton_deletion.run_at is 'Due from this time on, by the database''s clock.';
comment on column sexton_deletion.fence is 'Number of claims; only grows, and every write of a worker filters on it.';
comment on column sexton_deletion.attempts is 'Claims that count against max_attempts.';
comment on column sexton_deletion.rescues is 'Leases in a row that expired under a worker.';
comment on column sexton_deletion.lease_until is 'Until when the claim is valid without renewal.';
comment on column sexton_deletion.worker is 'The process that holds the claim.';
comment on column sexton_deletion.first_attempt_at is 'When it was first claimed; give_up_after counts from here.';
comment on column sexton_deletion.called_at is 'When the first external call was about to be made; restorable only while null.';
comment on column sexton_deletion.calling is 'The target with repeatable = false whose call is in flight.';
comment on column sexton_deletion.batch_id is 'Groups the deletions of one request.';
comment on column sexton_deletion.parent_id is 'The deletion that waits for this one.';
comment on column sexton_deletion.marker_rule is 'Which marker was written: its place in marker_when, then marker.';
comment on column sexton_deletion.marker_column is 'The column that phase 1 wrote.';
comment on column sexton_deletion.marker_value is 'What phase 1 wrote there, as text.';
comment on column sexton_deletion.marker_before is 'What had been there before.';
comment on column sexton_deletion.targets is 'Names of the targets required when it was requested.';
comment on column sexton_deletion.confirmations is 'Target -> when and with which answer it confirmed.';
comment on column sexton_deletion.payload is 'The row''s values that templates, skip_when_null and markers use, as text. Scrubbed when finished.';
comment on column sexton_deletion.requested_at is 'When it was requested.';
comment on column sexton_deletion.requested_by is 'Who requested it.';
comment on column sexton_deletion.reason is 'Why it was requested.';
comment on column sexton_deletion.last_error is 'Status and reason of the last failure; never a body or a value.';
comment on column sexton_deletion.last_error_kind is 'The class of the last failure.';
comment on column sexton_deletion.dead_at is 'When it died.';
comment on column sexton_deletion.dead_kind is 'Why it is dead; docs/runbook.md has a section for each.';
comment on column sexton_deletion.trace_context is 'W3C traceparent of the request.';

-- One open or dead deletion of a row: asking again finds the open one, and supersedes the dead one.
create unique index sexton_deletion_key on sexton_deletion (resource, key);
create index sexton_deletion_due on sexton_deletion (lane, run_at, id) where state = 'pending';
create index sexton_deletion_lease on sexton_deletion (lease_until) where state = 'running';
create index sexton_deletion_rescued on sexton_deletion (run_at) where state = 'pending' and rescues > 0;
create index sexton_deletion_dead_letters on sexton_deletion (dead_at, id) where state = 'dead';
create index sexton_deletion_batch on sexton_deletion (batch_id);
create index sexton_deletion_parent on sexton_deletion (parent_id) where parent_id is not null;

create table sexton_deletion_done (
    id uuid not null,
    resource text not null,
    key text,
    key_hash text,
    state text not null,
    cancelled_by text,
    fence bigint not null,
    attempts integer not null,
    rescues integer not null,
    called_at timestamptz,
    batch_id uuid not null,
    parent_id uuid,
    marker_column text,
    marker_value text,
    targets jsonb not null,
    confirmations jsonb not null,
    refs jsonb,
    requested_at timestamptz not null,
    requested_by text not null,
    reason text,
    finished_at timestamptz not null default clock_timestamp(),
    row_outcome text,
    children_deleted integer not null default 0,
    last_error text,
    last_error_kind text,
    trace_context text,
    primary key (id, finished_at),
    constraint sexton_deletion_done_state check (state in ('completed', 'cancelled')),
    constraint sexton_deletion_done_cancelled check ((state = 'cancelled') = (cancelled_by is not null)),
    constraint sexton_deletion_done_cancelled_by check (cancelled_by in ('restored', 'discarded', 'superseded')),
    constraint sexton_deletion_done_row check ((state = 'completed') = (row_outcome is not null)),
    constraint sexton_deletion_done_row_outcome check (row_outcome in ('deleted', 'already_gone', 'kept'))
) partition by range (finished_at);

comment on table sexton_deletion_done is 'Finished deletions: the proof. One partition a month.';
comment on column sexton_deletion_done.id is 'The deletion.';
comment on column sexton_deletion_done.resource is 'Name of the resource.';
comment on column sexton_deletion_done.key is 'Key of the row, unless only its hash is kept.';
comment on column sexton_deletion_done.key_hash is 'Salted hash of the key, when hash_key is set.';
comment on column sexton_deletion_done.state is 'completed or cancelled.';
comment on column sexton_deletion_done.cancelled_by is 'restored, discarded or superseded.';
comment on column sexton_deletion_done.fence is 'Number of claims.';
comment on column sexton_deletion_done.attempts is 'Claims that counted.';
comment on column sexton_deletion_done.rescues is 'Leases in a row that had expired.';
comment on column sexton_deletion_done.called_at is 'When the first external call was about to be made.';
comment on column sexton_deletion_done.batch_id is 'Groups the deletions of one request.';
comment on column sexton_deletion_done.parent_id is 'The deletion that waited for this one.';
comment on column sexton_deletion_done.marker_column is 'The column that phase 1 wrote.';
comment on column sexton_deletion_done.marker_value is 'What phase 1 wrote there.';
comment on column sexton_deletion_done.targets is 'Names of the targets required when it was requested.';
comment on column sexton_deletion_done.confirmations is 'Target -> when and with which answer it confirmed.';
comment on column sexton_deletion_done.refs is 'Columns kept for a while for later checks; null when scrubbed.';
comment on column sexton_deletion_done.requested_at is 'When it was requested.';
comment on column sexton_deletion_done.requested_by is 'Who requested it.';
comment on column sexton_deletion_done.reason is 'Why it was requested.';
comment on column sexton_deletion_done.finished_at is 'When it finished; the row went in the same transaction.';
comment on column sexton_deletion_done.row_outcome is 'deleted: by Sexton; already_gone: by somebody else; kept: it stays, marked.';
comment on column sexton_deletion_done.children_deleted is 'How many children went with the row.';
comment on column sexton_deletion_done.last_error is 'The last failure on the way.';
comment on column sexton_deletion_done.last_error_kind is 'Its class.';
comment on column sexton_deletion_done.trace_context is 'W3C traceparent of the request.';

-- Catches what no month's partition takes; migrate and the daemon keep partitions ahead of the clock.
create table sexton_deletion_done_default partition of sexton_deletion_done default;
create index sexton_deletion_done_key on sexton_deletion_done (resource, key, finished_at);
create index sexton_deletion_done_batch on sexton_deletion_done (batch_id);

create table sexton_attempt (
    deletion_id uuid not null,
    fence bigint not null,
    target text not null,
    at timestamptz not null default clock_timestamp(),
    outcome text not null,
    status smallint,
    reason text not null,
    duration_ms bigint not null,
    worker text not null,
    primary key (deletion_id, fence, target)
);

comment on table sexton_attempt is 'Failed attempts. Never bodies, never URLs with values.';
comment on column sexton_attempt.deletion_id is 'The deletion.';
comment on column sexton_attempt.fence is 'The claim under which it was made.';
comment on column sexton_attempt.target is 'The target that was called, or `row` when the database refused.';
comment on column sexton_attempt.at is 'When it failed.';
comment on column sexton_attempt.outcome is 'The class of the failure.';
comment on column sexton_attempt.status is 'HTTP status, if there was an answer.';
comment on column sexton_attempt.reason is 'Short reason code.';
comment on column sexton_attempt.duration_ms is 'How long the call took.';
comment on column sexton_attempt.worker is 'The process that made it.';
create index sexton_attempt_at on sexton_attempt (at);

create table sexton_action (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    who text not null,
    action text not null,
    deletion_id uuid,
    detail jsonb not null default '{}',
    reason text
);

comment on table sexton_action is 'What operators did.';
comment on column sexton_action.id is 'In order of time.';
comment on column sexton_action.at is 'When.';
comment on column sexton_action.who is 'Who.';
comment on column sexton_action.action is 'What: retry, discard, restore, pause, resume.';
comment on column sexton_action.deletion_id is 'To which deletion, if to one.';
comment on column sexton_action.detail is 'Filters and figures of a bulk action.';
comment on column sexton_action.reason is 'Why.';
create index sexton_action_deletion on sexton_action (deletion_id) where deletion_id is not null;

create table sexton_resource (
    name text primary key,
    definition jsonb not null,
    migrated_at timestamptz not null default clock_timestamp()
);

comment on table sexton_resource is 'The resource definitions that producers and workers agree on; written by `sexton migrate`.';
comment on column sexton_resource.name is 'Name of the resource.';
comment on column sexton_resource.definition is 'Table, key, markers, then, grace and the columns of each target.';
comment on column sexton_resource.migrated_at is 'When `migrate` last wrote it.';

create table sexton_sweep (
    name text primary key,
    leader text,
    lease_until timestamptz,
    cursor jsonb not null default '{}',
    figures jsonb not null default '{}',
    last_run_at timestamptz,
    constraint sexton_sweep_leader check ((leader is null) = (lease_until is null))
);

comment on table sexton_sweep is 'Leader, cursor and figures of each sweep.';
comment on column sexton_sweep.name is 'Name of the sweep.';
comment on column sexton_sweep.leader is 'The process that runs it.';
comment on column sexton_sweep.lease_until is 'Until when it may, without renewal.';
comment on column sexton_sweep.cursor is 'Where the next run goes on.';
comment on column sexton_sweep.figures is 'What the last run found and did.';
comment on column sexton_sweep.last_run_at is 'When it last ran.';

create table sexton_control (
    scope text primary key,
    paused_at timestamptz not null default clock_timestamp(),
    paused_by text not null,
    reason text
);

comment on table sexton_control is 'What operators paused.';
comment on column sexton_control.scope is 'A lane, a resource, or hard_deletes.';
comment on column sexton_control.paused_at is 'Since when.';
comment on column sexton_control.paused_by is 'By whom.';
comment on column sexton_control.reason is 'Why.';
