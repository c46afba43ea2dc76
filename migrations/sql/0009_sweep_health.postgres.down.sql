alter table sexton_sweep drop column stalled;
