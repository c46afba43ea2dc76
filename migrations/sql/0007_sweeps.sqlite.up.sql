-- What each sweep's runs came to; see the PostgreSQL version for what each column means.
alter table sexton_sweep add column ran_at text;
alter table sexton_sweep add column took_ms integer;
alter table sexton_sweep add column found integer not null default 0;
alter table sexton_sweep add column done integer not null default 0;
alter table sexton_sweep add column backlog integer not null default 0;
alter table sexton_sweep add column oldest_at text;
alter table sexton_sweep add column cut_short integer not null default 0;
alter table sexton_sweep add column error text;
