package gateway.intent_test

import data.gateway.intent

offering(names, roles) := {
	"subject": {"tenant": "acme", "roles": roles},
	"request": {"tools": [{"type": "function", "function": {"name": name}} | some name in names]},
}

messages(given) := found if found := {reason.message | some reason in intent.verdict.reasons} with input as given

test_harmless_tools_may_be_offered if {
	verdict := intent.verdict with input as offering(["look_up_order"], [])
	verdict == {"outcome": "allow"}
}

test_no_tools_are_fine if {
	verdict := intent.verdict with input as {"subject": {"tenant": "acme"}}
	verdict == {"outcome": "allow"}
}

test_every_tool_that_may_not_is_named if {
	messages(offering(["run_shell", "look_up_order", "admin_reset"], [])) == {
		"no model may be offered the tool run_shell",
		"no model may be offered tools like admin_reset",
	}
}

test_a_role_opens_a_tool if {
	messages(offering(["look_up_salary"], ["user"])) == {"the tool look_up_salary needs the role hr"}
	verdict := intent.verdict with input as offering(["look_up_salary"], ["user", "hr"])
	verdict.outcome == "allow"
}

test_functions_are_tools if {
	messages({"subject": {"tenant": "acme"}, "request": {"params": {"functions": [{"name": "run_shell"}]}}}) == {"no model may be offered the tool run_shell"}
}

test_a_tool_without_a_name_is_refused if {
	messages({"subject": {"tenant": "acme"}, "request": {"tools": [{"type": "odd"}]}}) == {"no model may be offered the tool without a name"}
}
