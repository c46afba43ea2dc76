drop function sexton_restore_row(text, uuid, text, text);
drop function sexton_soft_remove(text, uuid, text, text, interval, uuid, text);
drop function sexton_restore_row(text, bigint, text, text);
drop function sexton_soft_remove(text, bigint, text, text, interval, uuid, text);
