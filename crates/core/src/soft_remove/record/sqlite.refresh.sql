-- refresh an open deletion
update {deletion}
set payload = @payload, marker_rule = @marker_rule, marker_column = @marker_column, marker_value = @marker_value,
    marker_before = @marker_before, lane = @lane, confirmations = @confirmations,
    gone_expected = case when json(payload) = json(@payload) then gone_expected else '[]' end,
    former = @former,
    phase = case when @must_confirm_anew then {phase:Confirm} else phase end,
    run_at = case when @must_confirm_anew then {in_ms:@delay_ms} else run_at end
where id = @id
returning state = {pending} and run_at <= {now} as due
