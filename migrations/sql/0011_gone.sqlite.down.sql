drop index sexton_deletion_held;
alter table sexton_deletion drop column held_at;
alter table sexton_deletion drop column gone_expected;
