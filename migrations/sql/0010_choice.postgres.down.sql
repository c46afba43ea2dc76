drop function sexton_hidden_before;
