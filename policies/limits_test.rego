package gateway.limits_test

import data.gateway.limits

with_tools(names) := {
	"subject": {"tenant": "acme", "teams": ["support"]},
	"request": {"route": "assistant", "tools": [{"type": "function", "function": {"name": name}} | some name in names]},
}

of_teams(teams, route) := {"subject": {"tenant": "acme", "teams": teams}, "request": {"route": route}}

test_support_is_capped if {
	limits.obligations == {"max_tokens": 1024} with input as of_teams(["support"], "assistant")
}

test_research_has_a_higher_cap if {
	limits.obligations == {"max_tokens": 8192} with input as of_teams(["research"], "assistant-large")
}

test_the_most_generous_cap_counts if {
	limits.cap == 8192 with input as of_teams(["support", "research"], "assistant")
}

test_a_team_without_the_route_lends_no_cap if {
	limits.cap == 1024 with input as of_teams(["support", "sales"], "assistant")
}

test_a_team_without_a_row_has_the_default_cap if {
	limits.cap == 1024 with input as of_teams(["support"], "assistant") with data.limits.max_tokens as {}
}

test_a_call_without_tools_is_fine if {
	limits.violations == set() with input as of_teams(["support"], "assistant")
}

test_harmless_tools_are_fine if {
	limits.violations == set() with input as with_tools(["look_up_order"])
}

test_a_blocked_tool_is_named if {
	found := limits.violations with input as with_tools(["look_up_order", "delete_account"])
	found == {{"rule": "limits.tool", "message": "the tool delete_account is blocked"}}
}

test_a_tool_without_a_name_is_no_error if {
	input_with_odd_tool := {"subject": {"tenant": "acme", "teams": []}, "request": {"route": "assistant", "tools": [{"type": "custom"}]}}
	limits.violations == set() with input as input_with_odd_tool
}

test_a_blocked_function_of_the_older_protocol_is_named if {
	call := {"subject": {"tenant": "acme", "teams": []}, "request": {"route": "assistant", "params": {"functions": [{"name": "delete_account"}]}}}
	found := limits.violations with input as call
	found == {{"rule": "limits.tool", "message": "the tool delete_account is blocked"}}
}
