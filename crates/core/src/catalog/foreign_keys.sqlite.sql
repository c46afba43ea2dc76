-- read the foreign keys that reference a table
select s.name, f.id, f."from" as column_name, f."to" as referenced, f.on_delete
from sqlite_schema s, pragma_foreign_key_list(s.name) f
where s.type = 'table' and '"' || replace(f."table", '"', '""') || '"' = @table collate nocase
order by s.name, f.id, f.seq
