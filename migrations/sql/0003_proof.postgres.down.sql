drop index sexton_deletion_done_refs;
drop index sexton_deletion_done_stays;
drop index sexton_deletion_done_key_hash;
drop index sexton_deletion_done_finished;
drop table sexton_secret;
