alter table sexton_resource drop column statements;
