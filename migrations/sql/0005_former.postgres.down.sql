alter table sexton_deletion drop column former;
