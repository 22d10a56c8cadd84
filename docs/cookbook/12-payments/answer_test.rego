package gateway.answer_test

import data.gateway.answer

calling(name, arguments) := {
	"intent_verdict": {"outcome": "allow"},
	"answer": {"tool_calls": [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}]},
}

outcome(name, arguments) := found if found := answer.verdict.outcome with input as calling(name, arguments)

test_small_payments_go_out if {
	outcome("pay", `{"amount": 1000, "to": "Example Ltd"}`) == "allow"
}

test_a_payment_over_the_limit_needs_a_person if {
	verdict := answer.verdict with input as calling("transfer_money", `{"amount": 1000.01}`)
	verdict.outcome == "escalate"
	{reason.message | some reason in verdict.reasons} == {"a payment over 1000 needs a person with the role treasurer"}
	verdict.obligations.approval.queue == "treasury"
}

approved_by(roles) := object.union(calling("pay", `{"amount": 5000}`), {"approvals": [{"hook": "answer", "by": "key_2", "roles": roles}]})

test_what_a_treasurer_approved_goes_out if {
	verdict := answer.verdict with input as approved_by(["reviewer", "treasurer"])
	verdict.outcome == "allow"
}

test_what_somebody_else_approved_is_refused if {
	verdict := answer.verdict with input as approved_by(["reviewer"])
	verdict.outcome == "deny"
	{reason.rule | some reason in verdict.reasons} == {"payments.person"}
}

test_an_approval_of_the_intent_is_none_of_the_payment if {
	early := object.union(calling("pay", `{}`), {"approvals": [{"hook": "intent", "by": "key_2", "roles": ["treasurer"]}]})
	verdict := answer.verdict with input as early
	verdict.outcome == "escalate"
}

test_an_amount_that_is_none_needs_a_person if {
	every arguments in [`{}`, `{"amount": null}`, `[1]`, `{"amount": 5`, ``] {
		outcome("pay", arguments) == "escalate"
	}
	verdict := answer.verdict with input as calling("pay", `{}`)
	{reason.rule | some reason in verdict.reasons} == {"payments.unclear"}
}

test_an_amount_in_quotes_is_unclear if {
	outcome("pay", `{"amount": "5"}`) == "escalate"
}

test_other_tools_and_answers_without_tools_go_out if {
	outcome("look_up", `{"amount": 5000}`) == "allow"
	verdict := answer.verdict with input as {"intent_verdict": {"outcome": "allow"}}
	verdict.outcome == "allow"
}

test_no_answer_goes_out_without_an_allowed_intent if {
	verdict := answer.verdict with input as {}
	verdict.outcome == "deny"
}
