drop table sexton_deleting;
