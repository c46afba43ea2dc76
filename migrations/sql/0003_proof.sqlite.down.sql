drop index sexton_deletion_done_refs;
drop index sexton_deletion_done_stays;
drop index sexton_deletion_done_key_hash;
drop index sexton_deletion_done_finished;
drop index sexton_attempt_at;
create index sexton_attempt_at on sexton_attempt (at);
drop table sexton_secret;
